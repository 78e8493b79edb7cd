"""Pictures and files, read and written."""
