from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from synth.core import rows
from synth.core.errors import EngineError, RecipeError, SourceError, SynthError
from synth.estimate import estimate
from synth.formats import RowsExport
from synth.plan import Plan, PlannedStep, kind_of, make_plan
from synth.recipe import parse_recipe
from synth.steps.tokens import load_tokenizer

Change = Callable[[dict[str, Any]], object]

RECIPE: dict[str, Any] = {
    "name": "cats",
    "source": {"kind": "jsonl", "path": "cats.jsonl", "columns": {"text": "text", "age": "age"}},
    "models": {
        "writer": {"kind": "fake"},
        "encoder": {"kind": "sentence_transformers", "model": "bundled/all-minilm-l6-v2"},
        "cross": {"kind": "cross_encoder", "model": "bundled/all-minilm-l6-v2"},
    },
    "steps": [
        {"name": "docs", "kind": "minhash_dedup"},
        {"name": "queries", "kind": "generate", "prompt": "query_from_passage", "model": "writer"},
    ],
    "export": {"format": "pair"},
}
PROMPT = "---\npurpose: Note.\nneeds: [{needs}]\nmakes: columns\ninto: note\n---\n{body}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [
        {"text": f"cats number {at} sleep all day", "age": at, "vector": [0.5, at], "share": at / 4}
        for at in range(4)
    ]
    (tmp_path / "cats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def planned(folder: Path, change: Change = lambda data: None, limit: int | None = None) -> Plan:
    data = json.loads(json.dumps(RECIPE))
    change(data)
    text = yaml.safe_dump(data, sort_keys=False)
    return make_plan(parse_recipe(text, "cats.yaml").placed(folder, text), limit)


def refused(folder: Path, change: Change, kind: type[SynthError] = RecipeError) -> str:
    with pytest.raises(kind) as caught:
        planned(folder, change)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def at(number: int, **more: Any) -> Change:
    return lambda data: data["steps"][number - 1].update(more)


def then(**more: Any) -> Change:
    return lambda data: data["steps"].append(more)


def of(section: str, **more: Any) -> Change:
    return lambda data: data[section].update(more)


def test_a_plan_says_what_each_step_reads_and_has(folder: Path) -> None:
    plan = planned(folder, then(kind="embed", column="query", model="encoder", name="vectors"))
    assert [table.folder for table in plan.tables] == [
        "00-source", "01-docs", "02-queries", "03-vectors",
    ]  # fmt: skip
    assert [step.reads for step in plan.steps] == ["source", "docs", "queries"]
    assert [step.models for step in plan.steps] == [(), ("writer",), ("encoder",)]
    assert [kind_of(table) for table in plan.tables[:2]] == ["source", "minhash_dedup"]
    assert plan.sources[0].schema.names == ["id", "text", "age", "drop_reason"]
    assert {"duplicate_of", "duplicate_jaccard"} <= set(plan.steps[0].schema.names)
    last = plan.steps[-1].schema
    assert {"query", "positives", "parent_id", "provenance"} <= set(last.names)
    assert rows.is_vector(last.field("embedding_query").type)
    assert [(spec.format, reads) for spec, reads in plan.exports] == [("pair", "vectors")]
    assert [prompt.name for prompt in plan.prompts] == ["query_from_passage"]


def test_a_step_may_read_any_table_before_it(folder: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["sources"] = {"more": {"kind": "jsonl", "path": "cats.jsonl"}}
        data["steps"][1]["from"] = "more"
        data["export"] = {"format": "documents", "from": "docs", "columns": ["age"]}

    plan = planned(folder, change)
    assert [source.folder for source in plan.sources] == ["00-source", "00-more"]
    assert plan.table("queries") is plan.steps[1]
    assert plan.steps[1].reads == "more"


WRONG: dict[str, tuple[Change, str]] = {
    "a column": (
        at(1, column="txt"),
        "step 1 (docs) reads column 'txt', which 'source' does not have; it has id, text, age",
    ),
    "a column's type": (
        at(1, column="age"), "step 1 (docs) reads column 'age' as text, but in 'source' it is int64"
    ),
    "a list for a text": (
        then(kind="embed", column="positives", model="encoder"),
        "step 3 (embed) reads column 'positives' as text, but in 'queries' it is list<",
    ),
    "a text for embeddings": (
        then(
            kind="mine_negatives",
            corpus="docs",
            retrievers=[{"kind": "dense", "query_vector": "query"}],
        ),
        "step 3 (mine_negatives) reads column 'query' as embeddings, but in 'queries' it is text; "
        "an `embed` step makes embeddings, or a source brings them as lists of floats",
    ),
    "a column of a second table": (
        lambda d: d["steps"].extend(
            [
                {"kind": "embed", "column": "query", "model": "encoder"},
                {"kind": "mine_negatives", "corpus": "docs"},
            ]
        ),
        "step 4 (mine_negatives) reads column 'embedding_text', which 'docs' does not have",
    ),
    "a column of a corpus": (
        then(kind="retrieve", corpus="docs", column="text", **{"from": "docs"}),
        "step 3 (retrieve) reads column 'embedding_text', which 'docs' does not have",
    ),
    "a column to ask by": (
        then(kind="retrieve", corpus="docs", column="title", retrievers=[{"kind": "bm25"}]),
        "step 3 (retrieve) reads column 'title', which 'queries' does not have",
    ),
    "a list to ask by": (
        then(kind="retrieve", corpus="docs", column="positives", retrievers=[{"kind": "bm25"}]),
        "step 3 (retrieve) reads column 'positives' as text, but in 'queries' it is list<",
    ),
    "the query's vector": (
        then(kind="consistency_filter", corpus="docs"),
        "step 3 (consistency_filter) reads column 'embedding_query', which 'queries' does not have",
    ),
    "a query of a second table": (
        then(
            kind="downsample_corpus",
            queries="source",
            retrievers=[{"kind": "bm25"}],
        ),
        "step 3 (downsample_corpus) reads column 'query', which 'source' does not have",
    ),
    "positives to relabel": (
        then(kind="relabel_positive", **{"from": "docs"}),
        "step 3 (relabel_positive) reads column 'query', which 'docs' does not have",
    ),
    "a column of the prompt": (
        at(2, prompt="judge_pair"),
        "step 2 (queries) reads column 'query', which 'docs' does not have; it has id, text, age",
    ),
    "a column of the export": (
        of("export", **{"from": "docs"}), "export reads column 'query', which 'docs' does not have"
    ),
    "a column that is exported": (
        of("export", format="documents", columns=["title"]),
        "export reads column 'title', which 'queries' does not have",
    ),
    "a prompt": (
        at(2, prompt="query_from_pasage"),
        "step 2 (queries): there is no prompt 'query_from_pasage'; did you mean "
        "'query_from_passage'?",
    ),
    "a prompt like no other": (
        at(2, prompt="zzz"), "step 2 (queries): there is no prompt 'zzz'; `synth prompts` lists"
    ),
    "a prompt's path": (at(2, prompt="mine/no.md"), "there is no prompt 'mine/no.md'"),
    "a model": (
        at(2, model="wrter"),
        "step 2 (queries): there is no model 'wrter'; did you mean 'writer'?",
    ),
    "a model like no other": (
        at(2, model="zzz"),
        "step 2 (queries): there is no model 'zzz'; `models` has writer, encoder, cross",
    ),
    "a model among several": (
        at(2, model=None, models={"writer": 1, "riter": 1}), "there is no model 'riter'"
    ),
    "no models at all": (lambda d: d.pop("models"), "no model 'writer'; `models` has none"),
    "an encoder that writes": (
        at(2, model="encoder"),
        "step 2 (queries): model 'encoder' is of kind sentence_transformers, which is no LLM; "
        "LLMs are vllm, openai, fake",
    ),
    "a cross-encoder that embeds": (
        then(kind="embed", column="query", model="cross"),
        "step 3 (embed): model 'cross' is of kind cross_encoder, which is no encoder; encoders "
        "are sentence_transformers, fake",
    ),
    "an LLM that scores": (
        lambda d: (
            d["models"].update(
                judge={"kind": "openai", "model": "m", "base_url": "http://localhost"}
            ),
            d["steps"].append({"kind": "score", "model": "judge"}),
        ),
        "step 3 (score): model 'judge' is of kind openai, which is no scorer; scorers are "
        "sentence_transformers, cross_encoder, fake",
    ),
    "a step ahead": (
        at(1, **{"from": "queries"}),
        "step 1 (docs): `from` names 'queries', which runs after it; there are source",
    ),
    "itself": (at(1, **{"from": "docs"}), "`from` names 'docs', which runs after it"),
    "a step": (
        at(2, **{"from": "dosc"}),
        "step 2 (queries): `from` names 'dosc', which is no step or source before it; did you "
        "mean 'docs'?",
    ),
    "a step like no other": (
        at(2, **{"from": "zzz"}),
        "`from` names 'zzz', which is no step or source before it; there are source, docs",
    ),
    "a step to export": (of("export", **{"from": "zzz"}), "export: `from` names 'zzz'"),
    "a corpus": (
        lambda d: d["steps"].extend(
            [
                {"kind": "embed", "column": "query", "model": "encoder"},
                {"kind": "mine_negatives", "corpus": "corpsu"},
            ]
        ),
        "step 4 (mine_negatives): `corpus` names 'corpsu', which is no step or source before it",
    ),
    "a corpus to retrieve from": (
        then(kind="retrieve", corpus="dosc", retrievers=[{"kind": "bm25"}]),
        "step 3 (retrieve): `corpus` names 'dosc', which is no step or source before it; did you "
        "mean 'docs'?",
    ),
    "a corpus to be found in": (
        then(kind="consistency_filter", corpus="dosc", retrievers=[{"kind": "bm25"}]),
        "step 3 (consistency_filter): `corpus` names 'dosc', which is no step or source before it",
    ),
    "a number that says which copy stays": (
        at(1, keep="max:text"),
        "step 1 (docs): keep: max:text needs a column of numbers, but in 'source' 'text' is text",
    ),
    "rows compared with themselves": (
        then(kind="exact_dedup", against="source", **{"from": "docs"}),
        "step 3 (exact_dedup): `against` names 'source', from which its own rows come, so that "
        "each would repeat itself and drop",
    ),
    "an evaluation set that is the corpus": (
        then(kind="decontaminate", against="docs", **{"from": "docs"}),
        "step 3 (decontaminate): `against` names 'docs', from which its own rows come",
    ),
    "queries to sample for": (
        then(kind="downsample_corpus", queries="quries", retrievers=[{"kind": "bm25"}]),
        "step 3 (downsample_corpus): `queries` names 'quries', which is no step or source before "
        "it; did you mean 'queries'?",
    ),
}  # fmt: skip


def test_written_rows_may_be_compared_with_those_that_they_are_written_from(folder: Path) -> None:
    against = {"kind": "minhash_dedup", "against": "docs", "against_column": "text"}
    assert planned(folder, then(column="query", **against)).steps[-1].reads == "queries"
    assert planned(folder, then(column="text", **against)).steps[-1].reads == "queries"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence_that_names_the_step(what: str, folder: Path) -> None:
    change, said = WRONG[what]
    assert said in refused(folder, change)


@pytest.mark.parametrize("kind", ["margin_filter", "relabel_positive", "soft_labels"])
def test_what_reads_scores_of_positives_that_nothing_scores_is_refused(
    kind: str, folder: Path
) -> None:
    assert f"step 3 ({kind}): nothing scores the positives that step 'queries' makes" in (
        refused(folder, then(kind=kind))
    )


def test_a_margin_that_reads_no_score_of_a_positive_is_planned(folder: Path) -> None:
    refuse_nothing = then(kind="margin_filter", relative_margin=None, max_score=0.8)
    assert planned(folder, refuse_nothing).steps[2].name == "margin_filter"


UNSCORED: dict[str, tuple[dict[str, Any], tuple[dict[str, Any], ...], str]] = {
    "positives": (
        {"format": "triplet", "scores": True},
        (),
        "export: nothing scores the positives that step 'queries' makes",
    ),
    "written negatives": (
        {"format": "listwise"},
        ({"kind": "generate", "prompt": "hard_negative", "model": "writer"},),
        "export: nothing scores the negatives that step 'hard_negative' makes",
    ),
    "negatives found by words": (
        {"format": "listwise"},
        ({"kind": "mine_negatives", "corpus": "docs", "retrievers": [{"kind": "bm25"}]},),
        "export: nothing scores the negatives that step 'mine_negatives' makes",
    ),
}


@pytest.mark.parametrize("what", UNSCORED)
def test_an_export_of_scores_that_nothing_gives_is_refused(what: str, folder: Path) -> None:
    export, steps, said = UNSCORED[what]

    def change(data: dict[str, Any]) -> None:
        data["export"] = export
        data["steps"] += [dict(step) for step in steps]

    assert (
        f"{said}, so that rows with them would drop; put a step `kind: score` before it"
        in refused(folder, change)
    )

    def scored(data: dict[str, Any]) -> None:
        change(data)
        data["steps"].append({"kind": "score", "model": "encoder"})

    assert planned(folder, scored).exports[0][1] == "score"


def test_an_export_that_needs_no_scores_asks_for_none(folder: Path) -> None:
    for name in ("triplet", "n_tuple", "labeled_pair", "labeled_list", "flag_embedding"):
        assert planned(folder, of("export", format=name)).exports[0][0].format == name


EXPORTS: dict[str, tuple[dict[str, Any], str]] = {
    "a corpus": (
        {"format": "beir", "corpus": "dcos"},
        "export: `corpus` names 'dcos', which is no step or source before it; did you mean 'docs'?",
    ),
    "a corpus without texts": (
        {"format": "nemotron", "corpus": "ages"},
        "export reads column 'text', which 'ages' does not have; it has id, age",
    ),
    "a prompt's column": (
        {"format": "flag_embedding", "prompt": "task"},
        "export reads column 'task', which 'queries' does not have; it has id, text,",
    ),
    "a prompt's type": (
        {"format": "flag_embedding", "prompt": "age"},
        "export reads column 'age' as text, but in 'queries' it is int64",
    ),
}


@pytest.mark.parametrize("what", EXPORTS)
def test_what_is_wrong_with_an_export_is_one_sentence(what: str, folder: Path) -> None:
    export, said = EXPORTS[what]
    (folder / "ages.jsonl").write_text('{"age": 3}\n')
    ages = {"kind": "jsonl", "path": "ages.jsonl", "columns": {"age": "age"}}

    def change(data: dict[str, Any]) -> None:
        data |= {"export": export, "sources": {"ages": ages}}

    assert said in refused(folder, change)


def test_an_export_is_made_of_the_rows_of_its_corpus_too(folder: Path) -> None:
    plan = planned(folder, of("export", format="beir", corpus="docs"))
    told = plan.export_ingredients
    assert told["rows of docs for default"] == plan.table("docs").fingerprint
    assert told["rows of queries for default"] == plan.steps[-1].fingerprint


def test_a_column_that_json_has_no_form_for_is_refused(folder: Path) -> None:
    table = pa.table({"text": ["a"], "image": pa.array([b"\xff"]), "tags": [["x"]]})
    pq.write_table(table, folder / "images.parquet")
    columns = {"text": "text", "image": "image", "tags": "tags"}

    def rows_of(**more: Any) -> Change:
        source = {"kind": "parquet", "path": "images.parquet", "columns": columns}
        export = {"format": "rows", "from": "docs", "files": "jsonl", **more}
        return lambda data: data.update(source=source, export=export)

    assert "export writes column 'image' of type binary, for which JSON has no form; say" in (
        refused(folder, rows_of())
    )
    assert planned(folder, rows_of(files="parquet")).exports
    assert planned(folder, rows_of(columns=["text", "tags"])).exports


MISSING: dict[str, tuple[Change, type[SynthError], str]] = {
    "an encoder's folder": (
        lambda d: d["models"]["encoder"].update(model="./no/such"),
        EngineError,
        "model 'encoder': there is no model './no/such': no such folder; give a folder, a Hub id",
    ),
    "a bundled model": (
        lambda d: d["models"]["encoder"].update(model="bundled/minilm"),
        EngineError,
        "model 'encoder': there is no model 'bundled/minilm'",
    ),
    "a Hub model": (
        lambda d: d["models"]["encoder"].update(model="no-such-org/no-such-model"),
        EngineError,
        "model 'encoder': model 'no-such-org/no-such-model' is no folder and the Hub cannot be",
    ),
    "a tokenizer": (
        lambda d: d["steps"].append({"kind": "pack", "tokenizer": "/no/such", "window_tokens": 8}),
        EngineError,
        "step 4 (pack): tokenizer: there is no model '/no/such'",
    ),
    "a file": (
        of("source", path="dogs.jsonl"),
        SourceError,
        "source: the source finds no jsonl file at",
    ),
    "a field": (
        lambda d: d["source"]["columns"].update(title="title"),
        SourceError,
        "has a value in field 'title'; check `columns`, which says our column: the source's field",
    ),
    "a file of another source": (
        lambda d: d.update(sources={"more": {"kind": "parquet", "path": "more"}}),
        SourceError,
        "source 'more': the source finds no parquet file at",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_found_before_anything_runs(what: str, folder: Path) -> None:
    change, kind, said = MISSING[what]

    def used(data: dict[str, Any]) -> None:
        data["steps"].append({"kind": "embed", "model": "encoder"})
        change(data)

    assert said in refused(folder, used, kind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "source: the source has no rows; check `path`"),
        ("\n\n", "source: the source has no rows; check `path`"),
        ('{"text": "a"}\n\n{"text": \n', "cats.jsonl line 3 is not JSON"),
        ('{"text": "a"}\n["text"]\n', "cats.jsonl line 2 is a JSON list and not an object"),
        ('{"text": "a"}\n{"text": "\ud83d"}\n', "cats.jsonl line 2 is not JSON"),
    ],
)
def test_a_source_that_cannot_be_read_names_file_and_line(
    text: str, said: str, folder: Path
) -> None:
    (folder / "cats.jsonl").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert said in refused(folder, lambda data: data["source"].pop("columns"), SourceError)


@pytest.mark.parametrize(
    ("needs", "body", "said"),
    [
        ("text", "On {{ txet }}", "uses variable 'txet'; `needs` allows text, axes"),
        ("text", "On {{ axes.tone }}", "uses axes.tone; its axes are none"),
        ("text", "On {{ text", "the body is not Jinja"),
        ("text", "On {{ text | shout }}", "the body is not Jinja"),
        ("title", "On {{ title }}", "reads column 'title', which 'docs' does not have"),
    ],
)
def test_a_prompt_that_is_wrong_is_named_with_its_step(
    needs: str, body: str, said: str, folder: Path
) -> None:
    (folder / "note.md").write_text(PROMPT.format(needs=needs, body=body))
    message = refused(folder, at(2, prompt="note.md"))
    assert message.startswith("step 2 (queries)")
    assert said in message


def by_name(plan: Plan) -> dict[str, str]:
    return {table.name: table.fingerprint for table in plan.tables}


def test_a_change_flips_the_step_and_all_that_read_it_and_no_other(folder: Path) -> None:
    def more(data: dict[str, Any]) -> None:
        data["steps"].append({"name": "short", "kind": "take", "rows": 2, "from": "source"})
        data["export"] = {"format": "rows"}

    before = by_name(planned(folder, more))

    def change(data: dict[str, Any]) -> None:
        more(data)
        data["steps"][0]["threshold"] = 0.5

    after = by_name(planned(folder, change))
    assert {name for name in before if before[name] != after[name]} == {"docs", "queries"}


def write_tokenizer(folder: Path, letters: str) -> None:
    model = models.WordLevel({one: at for at, one in enumerate(letters)}, unk_token="a")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), eos_token="a")
    tokenizer.save_pretrained(folder)


def test_a_tokenizer_that_has_changed_is_loaded_again(folder: Path) -> None:
    sizes = []
    for letters in ("abc", "abcd"):
        write_tokenizer(folder / "tok", letters)
        sizes.append(len(load_tokenizer(str(folder / "tok"))))
    assert sizes == [3, 4]


def test_a_tokenizers_files_are_part_of_what_made_the_windows(folder: Path) -> None:
    (folder / "tok").mkdir()
    pack = then(kind="pack", tokenizer=str(folder / "tok"), window_tokens=8)
    write_tokenizer(folder / "tok", "abc")
    before = planned(folder, lambda d: (pack(d), d.update(export={"format": "rows"})))
    write_tokenizer(folder / "tok", "abcd")
    after = planned(folder, lambda d: (pack(d), d.update(export={"format": "rows"})))
    assert before.steps[-1].fingerprint != after.steps[-1].fingerprint
    assert before.steps[0].fingerprint == after.steps[0].fingerprint


TOKENIZER = "bundled/smollm2-135m-instruct"


def packed_after(order: dict[str, Any], **pack: Any) -> Change:
    """Documents that are embedded, ordered for windows and packed."""

    def change(data: dict[str, Any]) -> None:
        planned = {"objective": "window", "window_tokens": 64, "tokenizer": TOKENIZER, **order}
        data["steps"] = [
            {"kind": "embed", "model": "encoder"},
            {"kind": "order_documents", "name": "order", **planned},
            {"kind": "pack", "tokenizer": TOKENIZER, "window_tokens": 64, **pack},
        ]
        data["export"] = {"format": "rows"}

    return change


@pytest.mark.parametrize(
    ("order", "pack", "told"),
    [
        ({"window_tokens": 32}, {}, "`window_tokens` is 64, but order_documents plans .* 32"),
        ({}, {"overflow": "drop"}, ".*set `overflow` there and leave it out here"),
        ({}, {"tokenizer": "bundled/all-minilm-l6-v2"}, "`tokenizer` is 'bundled/all-minilm"),
        (
            {},
            {"order_by": "age"},
            "order_documents has put documents in order; leave `order_by` out",
        ),
        ({}, {"column": "id"}, "`column` is 'id', but order_documents plans windows with 'text'"),
    ],
)
def test_windows_that_are_planned_otherwise_than_packed_are_refused(
    folder: Path, order: dict[str, Any], pack: dict[str, Any], told: str
) -> None:
    with pytest.raises(RecipeError, match=rf"step 3 \(pack\): {told}.*\(step 'order'\)"):
        planned(folder, packed_after(order, **pack))


MEGATRON = {"format": "tokens", "name": "mega", "trainer": "megatron"}
PACKED = {"kind": "pack", "window_tokens": 64, "tokenizer": TOKENIZER}
PLANNED = {"window_tokens": 64, "tokenizer": TOKENIZER}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            then(kind="pack", name="again", tokenizer=TOKENIZER, window_tokens=64),
            "step 4 (again): pack takes documents, and step 'pack' has packed them into windows; "
            "put it before that step, or say `from: order`",
        ),
        (
            then(kind="order_documents", objective="path"),
            "step 4 (order_documents): order_documents takes documents, and step 'pack'",
        ),
        (
            then(kind="semantic_dedup"),
            "step 4 (semantic_dedup) reads column 'embedding_text', which is null in the windows",
        ),
        (
            lambda data: at(3, output="tokens")(data) or of("export", format="documents")(data),
            "export reads column 'text', which is null in the windows of step 'pack'; say `output",
        ),
        (
            then(kind="chunk", unit="words", size=5),
            "step 4 (chunk) writes 'text', but step 'pack' has packed documents into windows",
        ),
        (
            then(kind="compose", template="{{ text }}.", into="text"),
            "step 4 (compose) writes 'text', but step 'pack' has packed documents into windows",
        ),
        (
            lambda data: data["steps"].insert(2, {"kind": "chunk", "unit": "words", "size": 5}),
            "step 4 (pack): step 'chunk' makes rows of its own after step 'order' has put docu",
        ),
        (
            lambda data: data["steps"].insert(
                2, {"kind": "compose", "template": "{{ text }}.", "into": "text"}
            ),
            "step 4 (pack): step 'compose' writes 'text' after step 'order' has put documents in o",
        ),
        (
            lambda data: then(kind="generate", prompt="query_from_passage", model="writer")(data)
            or data.update(export=[{"format": "rows"}, MEGATRON]),
            "export 'mega' reads column 'input_ids', which is null in the windows of step 'pack'",
        ),
        (
            lambda data: then(
                kind="generate", prompt="paraphrase", model="writer", keep_inputs=True
            )(data)
            or data.update(export=[{"format": "rows"}, MEGATRON]),
            "export 'mega': step 'paraphrase' makes rows of windows, so that files",
        ),
        (
            lambda data: at(3, output="tokens")(data)
            or then(kind="decontaminate", **{"from": "order", "against": "pack"})(data),
            "step 4 (decontaminate) reads column 'text', which is null in the windows of step 'p",
        ),
        (
            of("export", splits={"train": 0.9, "test": 0.1}),
            "export: `splits` of the windows of step 'pack': a document that is cut",
        ),
        (
            of("export", columns=["text", "age"]),
            "export reads column 'age', which is null in the windows of step 'pack'; they hold",
        ),
        (
            lambda data: data["source"]["columns"].update(starts="text"),
            "step 3 (pack) writes column 'starts' as list<item: int32>, but in 'order' there is "
            "one of that name, text; give that one another name",
        ),
        (
            lambda data: data["source"]["columns"].update(duplicate_of="text"),
            "step 2 (order) writes column 'duplicate_of', but the source has one of that name; ",
        ),
        (
            lambda data: data["source"]["columns"].update(embedding_text="vector"),
            "step 1 (embed) writes column 'embedding_text', but the source has one of that name",
        ),
        (
            lambda data: data["source"]["columns"].update(windows="text"),
            "step 2 (order) writes column 'windows'",
        ),
        (
            lambda data: data["steps"][1].pop("tokenizer") and at(2, tokens="text")(data),
            "step 2 (order): tokens: text must hold whole numbers, but in 'embed' it is string",
        ),
    ],
)  # fmt: skip
def test_what_windows_are_not_for_is_refused(folder: Path, change: Change, told: str) -> None:
    def changed(data: dict[str, Any]) -> None:
        packed_after(PLANNED)(data)
        change(data)

    assert told in refused(folder, changed)


@pytest.mark.parametrize(
    "change",
    [
        # One order, packed twice, with figures of the one.
        lambda data: (
            at(2, objective="path")(data)
            or then(name="more", **{"from": "order"}, **PACKED | {"window_tokens": 32})(data)
        ),
        # What a model writes of documents in order keeps their order.
        lambda data: (
            at(2, objective="path")(data)
            or data["steps"].insert(
                2, {"kind": "generate", "prompt": "paraphrase", "model": "writer"}
            )
        ),
        # Rows that a model makes of windows are documents again.
        lambda data: (
            then(kind="generate", prompt="paraphrase", model="writer")(data)
            or then(name="again", **PACKED)(data)
        ),
        # A text that has changed is embedded again.
        lambda data: (
            data["source"]["columns"].update(embedding_text="vector")
            or data["steps"].insert(
                0, {"kind": "compose", "template": "{{ text }}.", "into": "text"}
            )
        ),
    ],
)
def test_what_can_be_done_with_ordered_documents_and_windows_is_not_refused(
    folder: Path, change: Change
) -> None:
    def changed(data: dict[str, Any]) -> None:
        packed_after(PLANNED)(data)
        change(data)

    planned(folder, changed)


def test_rows_made_of_windows_are_published_without_their_tokens(folder: Path) -> None:
    def changed(data: dict[str, Any]) -> None:
        packed_after(PLANNED)(data)
        then(kind="generate", prompt="query_from_passage", model="writer")(data)

    spec, _ = planned(folder, changed).exports[0]
    assert isinstance(spec, RowsExport)
    assert {"text", "query", "source_id"} <= set(spec.columns or ())
    assert not {"input_ids", "starts", "doc_ids", "age"} & set(spec.columns or ())


def test_a_column_without_a_form_in_json_may_be_one_that_windows_do_not_have(folder: Path) -> None:
    table = pa.table({"text": ["cats sleep"] * 3, "blob": pa.array([b"a"] * 3, pa.binary())})
    pq.write_table(table, folder / "cats.parquet")

    def changed(data: dict[str, Any]) -> None:
        packed_after(PLANNED)(data)
        columns = {"text": "text", "blob": "blob"}
        data["source"] = {"kind": "parquet", "path": "cats.parquet", "columns": columns}
        data["export"] = {"format": "rows", "files": "jsonl"}

    planned(folder, changed)


@pytest.mark.parametrize("more", [[], [("of", pa.int32())]])
def test_a_plan_of_another_run_is_no_plan_here(folder: Path, more: list[Any]) -> None:
    part = pa.struct([("number", pa.int64()), ("start", pa.int32()), ("end", pa.int32()), *more])
    table = pa.table({"text": ["cats sleep"], "windows": pa.array([[]], pa.list_(part))})
    pq.write_table(table, folder / "cats.parquet")

    def changed(data: dict[str, Any]) -> None:
        columns = {"text": "text", "windows": "windows"}
        data["source"] = {"kind": "parquet", "path": "cats.parquet", "columns": columns}
        data["steps"] = [PACKED]
        data["export"] = {"format": "rows"}

    assert "the source brings 'windows', a plan of order_documents" in refused(folder, changed)


def test_numbers_may_be_filled_again_with_others(folder: Path) -> None:
    def changed(data: dict[str, Any]) -> None:
        data["source"]["columns"].update(words="share")
        data["steps"].insert(0, {"kind": "measure", "column": "text", "what": "words"})

    planned(folder, changed)


def test_rows_of_windows_are_published_without_what_only_documents_have(folder: Path) -> None:
    spec, _ = planned(folder, packed_after(PLANNED)).exports[0]
    assert isinstance(spec, RowsExport)
    assert spec.columns == (
        "id", "text", "position", "input_ids", "doc_ids", "starts", "ends", "offsets",
    )  # fmt: skip


def test_documents_of_windows_may_be_read_of_a_step_before_them(folder: Path) -> None:
    def changed(data: dict[str, Any]) -> None:
        packed_after(PLANNED)(data)
        data["steps"].append({"kind": "semantic_dedup", "from": "order"})
        data["export"] = {"format": "rows", "from": "order", "splits": {"train": 9, "test": 1}}

    assert planned(folder, changed).exports[0][1] == "order"


def test_a_tokenizer_in_a_folder_is_loaded_before_anything_is_run(folder: Path) -> None:
    (folder / "tok").mkdir()
    (folder / "tok" / "vocab.json").write_text('{"a": 0}')
    pack = then(kind="pack", tokenizer=str(folder / "tok"), window_tokens=8)
    told = refused(folder, pack, EngineError)
    assert told.startswith("step 3 (pack): tokenizer: no tokenizer could be loaded from ")
    assert "tokenizer.json" in told


def test_windows_are_packed_as_they_are_planned_or_along_a_path(folder: Path) -> None:
    plan = planned(folder, packed_after({}))
    assert plan.steps[1].ingredients["tokenizer"] == plan.steps[2].ingredients["tokenizer"]
    path = {"objective": "path", "window_tokens": None, "tokenizer": None}
    plan = planned(folder, packed_after(path, overflow="own_window"))
    assert "tokenizer" not in plan.steps[1].ingredients


# What `synth check` estimates.


def requests(plan: Plan, folder: Path) -> dict[str, int | None]:
    return {one.step.name: one.requests for one in estimate(plan, str(folder / "outputs"))}


def test_an_estimate_counts_rows_and_the_replies_of_each(folder: Path) -> None:
    def twice(data: dict[str, Any]) -> None:
        data["steps"][1]["n"] = 3
        data["steps"].append({"kind": "generate", "prompt": "hard_negative", "model": "writer"})

    assert requests(planned(folder, twice), folder) == {
        "docs": 0, "queries": 12, "hard_negative": 12,
    }  # fmt: skip
    assert requests(planned(folder, twice, limit=2), folder)["hard_negative"] == 6


def test_an_estimate_of_tokens_grows_with_the_texts_and_max_tokens(folder: Path) -> None:
    short = estimate(planned(folder), str(folder))[1]
    (folder / "cats.jsonl").write_text(json.dumps({"text": "cat " * 1000, "age": 1}) + "\n")
    long = estimate(planned(folder, at(2, sampling={"max_tokens": 9})), str(folder))[1]
    assert (short.prompt_tokens or 0) / 4 + 700 < (long.prompt_tokens or 0) < 2500
    assert long.output_tokens == 9


def test_rows_that_no_one_knows_are_said_to_be_unknown(folder: Path) -> None:
    def packed(data: dict[str, Any]) -> None:
        name = "bundled/smollm2-135m-instruct"
        data["steps"][1:1] = [{"kind": "pack", "tokenizer": name, "window_tokens": 64}]

    found = estimate(planned(folder, packed), str(folder))
    assert [one.requests for one in found] == [0, 0, None]


def test_a_parquet_source_is_counted_by_its_footers(folder: Path) -> None:
    pq.write_table(pa.table({"text": ["a cat"] * 7, "age": [1] * 7}), folder / "cats.parquet")
    plan = planned(folder, of("source", kind="parquet", path="cats.parquet"))
    assert requests(plan, folder)["queries"] == 7


def test_a_plan_knows_a_step_by_its_shape(folder: Path) -> None:
    plan = planned(folder)
    assert all(isinstance(step, PlannedStep) for step in plan.steps)
    assert plan.steps[1].generation is not None
    assert plan.steps[0].generation is None
