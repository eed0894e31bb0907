"""What is wrong with a dataset: rules in families, checked in one pass; reports; safe mends."""
