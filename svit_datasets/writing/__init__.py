"""Write files that appear whole or not at all, here or in a store."""
