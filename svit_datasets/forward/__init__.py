"""Native files to a target layout: whole, in shards, and the work of one shard."""
