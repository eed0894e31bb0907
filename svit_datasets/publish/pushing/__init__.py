"""Send a built folder to the Hub."""
