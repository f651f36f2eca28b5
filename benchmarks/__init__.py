"""Measurements on a real broker, and the results they gave."""
