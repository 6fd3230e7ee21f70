"""The path of most similarity that LKH finds: ``python lkh_path.py VECTORS ORDER``, two arrays."""

import sys

import elkai
import numpy as np

# Distances are whole numbers to LKH.
_STEPS = 100_000


def main() -> None:
    """Reads unit vectors and writes an order of them."""
    vectors = np.load(sys.argv[1])
    count = len(vectors)
    # A city more, equally far from all, is where the ends of the path meet.
    distances = np.zeros((count + 1, count + 1))
    distances[1:, 1:] = np.round((1 - vectors @ vectors.T) * _STEPS)
    np.fill_diagonal(distances, 0)
    ring = elkai.DistanceMatrix(distances.tolist()).solve_tsp(runs=3)
    np.save(sys.argv[2], np.array(ring[1:-1]) - 1)


if __name__ == "__main__":
    main()
