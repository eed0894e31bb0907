"""Cut inputs into shards that are read apart, chain their results in order, keep what is finished."""
