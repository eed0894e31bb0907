"""Fetch published files from the Hub."""
