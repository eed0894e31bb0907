"""The Arrow tables of the configurations, made from native records."""
