"""The notebook that ships, run from its first cell to its last."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: `make setup`")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: `make setup`")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: `make setup`")

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
pytestmark = pytest.mark.ray


def test_the_notebook_runs_and_shows_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(NOTEBOOKS.parent), *sys.path]))
    )
    notebook = nbformat.read(NOTEBOOKS / "inspect_a_run.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    client = nbclient.NotebookClient(
        notebook, timeout=240, resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    client.execute()
    shown = "".join(
        output["data"].get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    )
    for said in (
        "Rows that go on, and rows dropped", "near_duplicate", "negatives 4", "ceiling",
        'class="tree"', "Scores of positives and negatives in margin", "in-notebook",
    ):  # fmt: skip
        assert said in shown, said
    assert "report.html" in notebook.cells[-1]["outputs"][-1]["data"]["text/plain"]
