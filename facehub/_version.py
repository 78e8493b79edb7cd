"""The version of facehub."""

__version__ = "0.2.0"
