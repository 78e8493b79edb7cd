"""Find faces in pictures.

`base` defines what a detector is, `mediapipe` is the detector that facehub uses. `search` looks at a
picture and its tiles, `tiles` is the geometry of that, `models` runs MediaPipe's two networks and
`mediapipe_import` imports no more of MediaPipe than they need.
"""
