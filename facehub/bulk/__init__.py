"""Embed many photos in several processes, in shards that survive an interruption."""
