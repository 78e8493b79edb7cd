"""Measure error rates on labelled faces."""
