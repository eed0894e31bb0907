"""Kernels from native records to rows of the LLaVA layout."""
