"""Pictures of a coupling: its diagram, as text as well, and its scale separation map."""
