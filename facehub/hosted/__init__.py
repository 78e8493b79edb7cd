"""Shared by the page and the service: bounded work, and decoders that can be killed."""
