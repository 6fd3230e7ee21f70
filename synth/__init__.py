"""`synth` turns documents and open-weight LLMs into training data that can be trusted."""

__version__ = "0.1.0"
