"""Floor 2: live models. Specs are data; everything heavy is imported when a model is loaded."""
