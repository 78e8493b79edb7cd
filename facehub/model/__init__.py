"""Face networks: description, storage, and inference."""
