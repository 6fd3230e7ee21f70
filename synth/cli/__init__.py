"""The command line, one module for commands that belong together."""

from __future__ import annotations

# Importing them adds their commands, in the order in which help lists them.
from synth.cli import running, looking, exploring, reporting, publishing, making  # isort: skip
from synth.cli.common import app

__all__ = ["app", "exploring", "looking", "main", "making", "publishing", "reporting", "running"]


def main() -> None:
    """Entry point of the command `synth`."""
    app()
