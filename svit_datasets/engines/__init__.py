"""Run one function over many shards: here, in processes, on Ray."""
