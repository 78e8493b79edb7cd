"""Losses and heads of the training."""
