"""What a coupling spec says."""
