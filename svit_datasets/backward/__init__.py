"""A target layout back to native files: whole, in shards, and the work of one shard."""
