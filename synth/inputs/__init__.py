"""Floor 2: what comes in. Files on any filesystem, sources of rows, prompt files."""
