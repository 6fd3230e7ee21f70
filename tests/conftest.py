"""What every test runs under: no network, no usage reports, the same examples every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Set before any of these libraries is imported, and inherited by Ray's workers.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

settings.register_profile("synth", deadline=None, derandomize=True)
settings.load_profile("synth")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real models come first, so that no worker waits for them at the end."""
    items.sort(key=lambda item: item.path.parent.name != "real")


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Ray, started once for all tests that run recipes in this process; `run` leaves it running."""
    import ray

    from synth.runner.cluster import start_ray

    start_ray(None)
    yield
    ray.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what `datasets` makes of a test's files in the test's folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
