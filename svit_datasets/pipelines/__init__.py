"""Conversions as functions of Arrow tables, for pipelines of other libraries."""
