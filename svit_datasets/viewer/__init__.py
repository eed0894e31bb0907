"""A local page to look through a dataset: records with their photos, boxes drawn over them."""
