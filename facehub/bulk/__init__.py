"""Many photos: embedded in several processes, in shards that survive an interruption."""
