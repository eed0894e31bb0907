"""What is known of images: Visual Genome's list, files, sizes, folders and zips that hold them."""
