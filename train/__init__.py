"""Training and evaluation of face encoders; run from a checkout with `python -m train`."""
