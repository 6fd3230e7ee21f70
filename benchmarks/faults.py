"""Kills, hangs, broken servers and full disks: what a run survives, as a table.

    python benchmarks/faults.py [--part kills|real|processes|server|disk|store|sync|all] [--quick]

Each part takes minutes; all of them about half an hour on two cores. Its lines replace those of
an earlier call in ``benchmarks/results/faults.md`` and ``faults.json``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from faults_kills import kills, real
from faults_outside import disk, server, sync
from faults_processes import processes
from faults_store import store
from faults_table import write_table

PARTS = {
    "kills": kills,
    "real": real,
    "processes": processes,
    "server": server,
    "disk": disk,
    "store": store,
    "sync": sync,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--quick", action="store_true", help="Smaller and fewer trials.")
    parser.add_argument("--keep", type=Path, help="Folder of the runs, kept; a temporary one else.")
    args = parser.parse_args()
    for part in PARTS if args.part == "all" else [args.part]:
        with tempfile.TemporaryDirectory(prefix="synth-faults-") as temporary:
            work = (args.keep or Path(temporary)) / part
            print(f"{part} ...", flush=True)
            print(write_table(part, PARTS[part](work, quick=args.quick), quick=args.quick))


if __name__ == "__main__":
    main()
