"""`huggingface_hub` in this process, turned to the stand-in for the Hub."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.utils.tqdm import disable_progress_bars
from stand_in import StandIn, running


@contextlib.contextmanager
def turned(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[StandIn]:
    """A Hub without a dataset; the token is that of `alice`, who may write. Nobody waits."""
    with running() as found:
        constants = huggingface_hub.constants
        address = found.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-token"))
        monkeypatch.setenv("HF_TOKEN", token(found, "write"))
        hurried = SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
        monkeypatch.setattr("huggingface_hub.utils._http.time", hurried)
        monkeypatch.setattr("synth.publish.hub_errors.time", hurried)
        disable_progress_bars()
        yield found
        huggingface_hub.close_session()


def token(hub: StandIn, role: str) -> str:
    """A token that may do so much."""
    return next(one for one, has in hub.roles.items() if has == role)
