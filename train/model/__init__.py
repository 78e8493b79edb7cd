"""Losses and heads for training."""
