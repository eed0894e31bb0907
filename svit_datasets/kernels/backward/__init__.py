"""Kernels from rows of the LLaVA layout to native records."""
