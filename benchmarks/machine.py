"""The machine and the versions that a result was measured with: nothing that names a host."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.engines.identity import package_versions

_GIB = 2**30
_CPUINFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system and Python."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / _GIB, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """The version of each package that is installed."""
    return package_versions(packages)


def load() -> float:
    """Processes that wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 1)


def made_by(result: Mapping[str, Any]) -> str:
    """How a result was measured, as the last line of its page.

    Args:
        result: With ``command``, ``date``, ``machine`` and ``packages``.
    """
    computer = result["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in result["packages"].items())
    return (
        f"`{result['command']}`, {result['date']}. {computer['cpu']}, {computer['cores']} cores, "
        f"{computer['memory_gib']} GiB, Python {computer['python']}; {packages}."
    )


def _cpu_model() -> str:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")
