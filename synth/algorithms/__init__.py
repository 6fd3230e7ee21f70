"""Floor 1: pure functions on arrays and strings."""
