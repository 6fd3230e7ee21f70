"""The methods that a dataset was made with, to be cited."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synth.card.markdown import code
from synth.card.run_info import RunInfo
from synth.steps.papers import ARXIV, PAPERS, Paper, papers_of

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_ADDRESS = re.compile(r"https://[^\s,)]+")


def citations(run: RunInfo) -> str:
    """The section that names, for each method, the steps and prompts that follow it."""
    users: dict[Paper, list[str]] = {}
    for paper, user in (*_of_recipe(run), *_of_steps(run), *_of_prompts(run)):
        used = users.setdefault(paper, [])
        if user not in used:
            used.append(user)
    if not users:
        return ""
    listed = sorted(users.items(), key=lambda item: item[0].url)
    lines = [f"- {_named(paper)}: {', '.join(used)}" for paper, used in listed]
    told = "Whoever uses this dataset cites what it was made with, and its sources and models."
    return "\n".join(["## Methods to cite", "", told, "", *lines])


def _of_recipe(run: RunInfo) -> Iterator[tuple[Paper, str]]:
    for told in run.recipe.papers:
        number, address = _ARXIV.search(told), _ADDRESS.search(told)
        if number:
            unknown = Paper(told, f"{ARXIV}{number[1]}", "")
            yield PAPERS.get(number[1], unknown), "the recipe"
        elif address:
            yield Paper(told.replace(address[0], "").strip(" ,:()"), address[0], ""), "the recipe"


def _of_steps(run: RunInfo) -> Iterator[tuple[Paper, str]]:
    for name, step in run.recipe.named_steps():
        yield from ((paper, f"step {code(name)}") for paper in papers_of(step))


def _of_prompts(run: RunInfo) -> Iterator[tuple[Paper, str]]:
    for prompt in run.prompts:
        for number in _ARXIV.findall(prompt.head.source):
            unknown = Paper(f"arXiv:{number}", f"{ARXIV}{number}", "")
            yield PAPERS.get(number, unknown), f"prompt {code(prompt.name)}"


def _named(paper: Paper) -> str:
    return f"[{paper.title}]({paper.url})" + (f" ({paper.by})" if paper.by else "")
