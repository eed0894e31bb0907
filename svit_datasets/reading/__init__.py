"""Read native files, LLaVA files and folders: bytes, JSON values, records, each with its place."""
