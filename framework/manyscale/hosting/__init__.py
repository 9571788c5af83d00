"""How a model runs."""
