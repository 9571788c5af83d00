"""Studies of a whole coupling: many runs of it with other settings, and what they tell together."""
