"""Training and evaluation of the face encoder; run from a checkout with `python -m train`."""
