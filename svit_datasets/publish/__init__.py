"""Parquet shards in the Hub's own layout: build a folder, push it, fetch it again."""
