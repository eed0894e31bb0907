"""What a dataset holds, in numbers: counted in one pass, told as a table, as JSON, or as one page."""
