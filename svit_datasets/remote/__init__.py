"""Stores and the Hugging Face Hub: names, bytes, uploads, what to do when they fail."""
