"""How similar neighbours on a path can be at all: a path by LKH, a solver of travelling salesmen.

It looks at all pairs and takes minutes for thousands of documents, so few are asked of it. It has
an environment of its own, with `elkai <https://pypi.org/project/elkai>`_, which wraps LKH 3.
"""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from rivals.setup import Rival, install

MOST_DOCUMENTS = 1_000
_LKH = Rival("lkh", "lkh_path.py", ("elkai==2.0.1", "numpy==2.4.6"))
_SCRIPT = Path(__file__).parent / "rivals" / _LKH.script


def best_path(vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], float]:
    """A path that is next to the best there is, and the CPU seconds that it took.

    Args:
        vectors: Of length 1, shape (documents, dim).

    Raises:
        SetupError: If `elkai` cannot be installed.
    """
    install(_LKH)
    with TemporaryDirectory() as folder:
        given, found = Path(folder, "vectors.npy"), Path(folder, "order.npy")
        np.save(given, vectors)
        before = _children_s()
        subprocess.run([str(_LKH.python), str(_SCRIPT), str(given), str(found)], check=True)
        order: NDArray[np.int64] = np.load(found)
        return order, round(_children_s() - before, 4)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
