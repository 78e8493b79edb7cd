"""Find faces in pictures.

`base` defines the interface of a detector; `mediapipe` holds the detector that facehub uses.
`search` searches a picture and its tiles, `tiles` is the geometry, `models` runs the two networks,
`mediapipe_import` imports the parts of MediaPipe that they need, and `no_sockets` keeps their
threads off the network.
"""
