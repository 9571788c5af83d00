"""Components whose work is coupling: on the ordinary contract, listed like any model."""
