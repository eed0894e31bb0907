"""Kernels from native records to Arrow columns."""
