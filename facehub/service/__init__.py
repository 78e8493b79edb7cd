"""The JSON service: `facehub serve`."""
