"""The stand-in for the Hub, and `huggingface_hub` in this process turned to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from stand_in import StandIn, running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """A Hub without a dataset, whose token is that of `alice`, who may write."""
    with running() as found:
        constants = huggingface_hub.constants
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            found.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("HF_TOKEN", token(found, "write"))
        hurried = SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
        monkeypatch.setattr("huggingface_hub.utils._http.time", hurried)
        monkeypatch.setattr("synth.publish.hub_errors.time", hurried)
        huggingface_hub.utils.disable_progress_bars()
        yield found
        huggingface_hub.close_session()


def token(hub: StandIn, role: str) -> str:
    return next(one for one, has in hub.roles.items() if has == role)
