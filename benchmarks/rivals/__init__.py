"""Other tools on the same rows and the same server, each in an environment of its own."""
