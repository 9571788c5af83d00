"""What a scale model promises."""
