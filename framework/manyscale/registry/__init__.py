"""Who offers models."""
