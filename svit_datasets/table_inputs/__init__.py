"""Tables as inputs: Parquet shards, folders of ``save_to_disk``, repositories of the Hub."""
