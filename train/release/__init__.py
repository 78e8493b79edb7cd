"""Publish a run's weights and the demo Space."""
