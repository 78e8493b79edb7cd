"""The small network that finds covered faces: drawn coverings, and its training."""
