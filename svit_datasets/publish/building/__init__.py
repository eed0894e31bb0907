"""Build a folder of Parquet shards that plain ``datasets`` loads."""
