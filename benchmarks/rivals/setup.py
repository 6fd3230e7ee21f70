"""Make the virtual environment of each rival: ``python benchmarks/rivals/setup.py all|NAME``.

An environment lives outside the repository, in ``${XDG_CACHE_HOME:-~/.cache}/synth-bench/NAME``,
because the rivals pin packages that disagree with ours and with each other. Running this again
installs only what is missing or was pinned anew. Needs nothing but the standard library.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

READY_FILE = "requirements-installed.txt"


class SetupError(Exception):
    """An environment could not be made."""


@dataclass(frozen=True)
class Rival:
    """One row of the benchmark: a script and the interpreter that runs it.

    Attributes:
        name: Name of the rival in tables, and what its script gets as ``--rival``.
        script: File in this directory that talks to the server.
        requirements: What pip installs into its environment; empty when the script runs on the
            interpreter of the benchmark itself.
        environment_name: Name of its environment, which rivals with equal requirements share.
    """

    name: str
    script: str
    requirements: tuple[str, ...] = ()
    environment_name: str = ""

    @property
    def environment(self) -> Path:
        """Directory of the virtual environment, which may not exist yet."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "synth-bench" / (self.environment_name or self.name)

    @property
    def python(self) -> Path:
        """Interpreter that runs the script."""
        if not self.requirements:
            return Path(sys.executable)
        return self.environment / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        """Whether the environment holds exactly the requirements listed here."""
        if not self.requirements:
            return True
        ready = self.environment / READY_FILE
        return ready.is_file() and ready.read_text() == "\n".join(self.requirements)


# The `inference` extra of datatrove needs CUDA at build time; these are the parts of it that a
# server which is already up needs.
DATATROVE = (
    "datatrove[io]==0.10.1",
    "httpx==0.28.1",
    "aiosqlite==0.22.1",
    "xxhash==4.1.0",
    "orjson==3.13.0",
    "aiofiles==25.1.0",
    "pyarrow==26.0.1",
)
RIVALS = {
    rival.name: rival
    for rival in (
        Rival("raw_aiohttp", "raw_asyncio.py"),
        Rival("raw_asyncio", "raw_asyncio.py"),
        Rival("raw_openai_aiohttp", "raw_asyncio.py"),
        Rival("datatrove", "datatrove_client.py", DATATROVE),
        Rival("datatrove_checkpoints", "datatrove_client.py", DATATROVE, "datatrove"),
        Rival("bespoke", "bespoke_client.py", ("bespokelabs-curator==0.1.31",)),
        Rival("sdg_hub", "sdg_hub_client.py", ("sdg-hub==0.9.4",)),
        Rival("data_designer", "data_designer_client.py", ("data-designer==0.9.7",)),
        # distilabel imports `requests` without declaring it.
        Rival(
            "distilabel", "distilabel_client.py", ("distilabel[openai]==1.5.3", "requests==2.34.2")
        ),
    )
}


def install(rival: Rival) -> None:
    """Make the environment of a rival, unless it is there already.

    Raises:
        SetupError: If the environment cannot be made or pip fails.
    """
    if rival.is_installed:
        print(f"{rival.name}: ready")
        return
    print(f"{rival.name}: installing {', '.join(rival.requirements)}", flush=True)
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(rival.environment)],
        [str(rival.python), "-m", "pip", "install", "--quiet", *rival.requirements],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True)
        except subprocess.CalledProcessError as error:
            raise SetupError(f"{rival.name}: {' '.join(command)} failed") from error
    (rival.environment / READY_FILE).write_text("\n".join(rival.requirements))
    print(f"{rival.name}: ready")


def main() -> int:
    """Install the rivals named on the command line; 1 if any of them failed."""
    parser = argparse.ArgumentParser(description="Make the virtual environments of the rivals.")
    parser.add_argument("name", choices=("all", *RIVALS))
    name = parser.parse_args().name
    failures = 0
    for rival in RIVALS.values() if name == "all" else (RIVALS[name],):
        try:
            install(rival)
        except SetupError as error:
            print(error, file=sys.stderr)
            failures += 1
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
