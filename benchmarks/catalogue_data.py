"""Real data in the shape of the files that recipes ship with, so that each recipe runs on it."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from json_lines import read_lines

Row = dict[str, Any]

_SHIPPED = Path(__file__).parents[1] / "recipes" / "data"
_SUBJECTS = ("astronomy", "economics", "psychology", "sociology", "philosophy", "world history")
_TOLD = "world history"
_PASSAGE_WORDS, _ARTICLE_WORDS = 110, 420


def write_data(data: Path, target: Path) -> dict[str, str]:
    """Writes each file that recipes read, from the real sets where one fits.

    Args:
        data: Folder of the sets.
        target: The folder ``data`` beside copies of the recipes.

    Returns:
        Name of each file: the set it is from, or that it is the one that ships.
    """
    shutil.copytree(_SHIPPED, target, dirs_exist_ok=True)
    told = dict.fromkeys((path.name for path in _SHIPPED.iterdir()), "shipped")
    for name, (of, rows) in _FILES.items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows(data)]
        (target / name).write_text("".join(lines), encoding="utf-8")
        told[name] = of
    filler = " ".join(row["text"] for row in read_lines(data / "state_union", "speeches*.jsonl"))
    (target / "filler.txt").write_text(" ".join(filler.split()[:20_000]), encoding="utf-8")
    return told | {"filler.txt": "state_union"}


def _answers(qrels: Path) -> dict[str, str]:
    """The passage that answers each query."""
    (path,) = qrels.glob("*.tsv")
    return dict(line.split("\t")[:2] for line in path.read_text().splitlines()[1:])


def _head(text: str, words: int) -> str:
    """The first whole lines or sentences of about so many words."""
    kept: list[str] = []
    for sentence in text.replace("\n", " ").split(". "):
        if kept and len(" ".join([*kept, sentence]).split()) > words:
            break
        kept.append(sentence)
    return " ".join(". ".join(kept).split()[:words])


def _by_subject(data: Path, each: int) -> Iterator[Row]:
    """Sections of text books, so many of each subject, without introductions."""
    sections = [
        row for row in read_lines(data / "openstax_topics", "docs*.jsonl") if row["chapter"]
    ]
    for subject in _SUBJECTS:
        own = [row for row in sections if row["subject"] == subject]
        yield from own[1 :: max(1, len(own) // each)][:each]


def _passages(data: Path) -> Iterator[Row]:
    for row in _by_subject(data, 8):
        text = _head(row["text"], _PASSAGE_WORDS)
        topic = row["subject"]
        yield {"_id": row["id"], "title": row["title"], "topic": topic, "text": text}


def _labels(data: Path) -> Iterator[Row]:
    chapters: dict[str, list[str]] = {}
    for row in _by_subject(data, 8):
        chapters.setdefault(row["subject"], []).append(row["chapter"])
    for subject, own in chapters.items():
        yield {"id": subject, "text": f"{subject}: {', '.join(dict.fromkeys(own))}"}


def _articles(data: Path) -> Iterator[Row]:
    """Beginnings of sections about history, which are told from one sentence to the next."""
    sections = (row for row in _by_subject(data, 8) if row["subject"] == _TOLD)
    for row in itertools.islice(sections, 6):
        # What a reader is to learn is no sentence of its own.
        _, _, told = row["text"].partition(". ")
        yield {"id": row["id"], "title": row["title"], "text": _head(told, _ARTICLE_WORDS)}


def _web_pages(data: Path) -> Iterator[Row]:
    for row in itertools.islice(read_lines(data / "powershell_docs", "docs*.jsonl"), 0, 240, 20):
        yield {"id": row["id"], "text": " ".join(row["text"].split(" ")[:130])}


def _facts(data: Path) -> Iterator[Row]:
    """Questions with the sentence of the paragraph that holds the answer."""
    folder = data / "xquad" / "en"
    texts = {row["_id"]: row["text"] for row in read_lines(folder, "corpus*.jsonl")}
    paragraph = _answers(data / "xquad" / "qrels")
    seen: set[str] = set()
    for row in read_lines(folder, "queries*.jsonl"):
        place = paragraph[row["_id"]]
        found = [one for one in texts[place].split(". ") if row["answer"] in one]
        if found and place not in seen:
            seen.add(place)
            yield {"id": row["_id"], "question": row["text"], "text": found[0], "field": place}
        if len(seen) == 40:
            return


def _evidence(data: Path) -> Iterator[tuple[str, str, str]]:
    """Claim, label and the abstract that decides it."""
    folder = data / "scifact"
    claims = {row["_id"]: row["text"] for row in read_lines(folder, "queries*.jsonl")}
    texts = {row["_id"]: row["text"] for row in read_lines(folder, "corpus*.jsonl")}
    seen: set[tuple[str, str]] = set()
    for row in read_lines(folder, "evidence-train.jsonl"):
        pair = (row["query_id"], row["doc_id"])
        if pair not in seen:
            seen.add(pair)
            yield claims[pair[0]], row["label"], _head(texts[pair[1]], _PASSAGE_WORDS)


def _claims(data: Path) -> Iterator[Row]:
    """Claims that an abstract bears out, with one that refutes another claim."""
    every = list(_evidence(data))
    held = [(claim, text) for claim, label, text in every if label == "SUPPORT"][:24]
    other = [text for _, label, text in every if label == "CONTRADICT"]
    for at, ((claim, text), refuted) in enumerate(zip(held, other, strict=False)):
        yield {"id": f"claim-{at}", "claim": claim, "supports": text, "refutes": refuted}


def _inferences(data: Path) -> Iterator[Row]:
    labels = {"SUPPORT": "entailment", "CONTRADICT": "contradiction"}
    for at, (claim, label, text) in enumerate(itertools.islice(_evidence(data), 16)):
        yield {
            "id": f"nli-{at}",
            "task": "nli",
            "premise": text,
            "hypothesis": claim,
            "label": labels[label],
        }


def _similarities(data: Path) -> Iterator[Row]:
    for row in itertools.islice(read_lines(data / "stsb_multi", "en-test.jsonl"), 0, 400, 16):
        yield {
            "id": row["id"],
            "task": "sts",
            "first": row["sentence1"],
            "second": row["sentence2"],
            "score": row["score"],
        }


def _mail(data: Path) -> Iterator[Row]:
    for row in itertools.islice(read_lines(data / "banking77", "test.jsonl"), 0, 960, 10):
        yield {
            "id": row["id"],
            "task": "classification",
            "text": row["text"],
            "label": row["label"],
        }


def _mixed(data: Path) -> Iterator[Row]:
    """Rows of three tasks, all of one shape."""
    names = ("id", "task", "dataset", "query", "positives", "negatives")
    for values in itertools.chain(_asked(data), _graded(data), _classified(data)):
        yield dict(zip(names, values, strict=True))


def _asked(data: Path) -> Iterator[tuple[Any, ...]]:
    folder = data / "boolq_dev"
    texts = {
        row["_id"]: _head(row["text"], _PASSAGE_WORDS) for row in read_lines(folder, "corpus*")
    }
    answer, others = _answers(folder / "qrels"), iter(list(texts.values())[::-1])
    for row in itertools.islice(read_lines(folder, "queries*.jsonl"), 12):
        positives, negatives = [texts[answer[row["_id"]]]], [next(others), next(others)]
        yield row["_id"], "retrieval", "boolq", row["text"], positives, negatives


def _graded(data: Path) -> Iterator[tuple[Any, ...]]:
    for row in itertools.islice(_similarities(data), 8):
        near = [{"text": row["second"], "score": row["score"]}]
        yield row["id"], "sts", "stsb", row["first"], near, []


def _classified(data: Path) -> Iterator[tuple[Any, ...]]:
    mail = list(_mail(data))
    for at, row in enumerate(mail[:8]):
        other = mail[-1 - at]["label"]
        yield f"c-{at}", row["task"], "banking77", row["text"], [row["label"]], [other]


def _records(data: Path) -> Iterator[Row]:
    for row in itertools.islice(read_lines(data / "e2e_nlg", "dev.jsonl"), 0, 480, 20):
        yield {"id": row["id"]} | row["fields"]


def _record_texts(data: Path) -> Iterator[Row]:
    for row in itertools.islice(read_lines(data / "e2e_nlg", "dev.jsonl"), 0, 480, 20):
        yield {"id": f"text-{row['id']}", "text": row["refs"][0]}


def _domains(data: Path) -> Iterator[Row]:
    intents = json.loads((data / "clinc150" / "domains.json").read_text())
    for name, own in intents.items():
        about = ", ".join(one.replace("_", " ") for one in own[:3])
        yield {"id": name, "text": f"messages about {name.replace('_', ' ')}, such as {about}"}


_FILES: dict[str, tuple[str, Callable[[Path], Iterable[Row]]]] = {
    "passages.jsonl": ("openstax_topics", _passages),
    "labels.jsonl": ("openstax_topics", _labels),
    "articles.jsonl": ("openstax_topics", _articles),
    "web_pages.jsonl": ("powershell_docs", _web_pages),
    "facts.jsonl": ("xquad", _facts),
    "claims.jsonl": ("scifact", _claims),
    "inferences.jsonl": ("scifact", _inferences),
    "similarities.jsonl": ("stsb_multi", _similarities),
    "shop_mail.jsonl": ("banking77", _mail),
    "mixed_tasks.jsonl": ("boolq_dev, stsb_multi and banking77", _mixed),
    "lighthouses.jsonl": ("e2e_nlg", _records),
    "lighthouse_texts.jsonl": ("e2e_nlg", _record_texts),
    "domains.jsonl": ("clinc150", _domains),
}
