"""The `facehub` command."""
