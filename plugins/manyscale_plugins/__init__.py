"""The scale models that come with manyscale, one folder each."""
