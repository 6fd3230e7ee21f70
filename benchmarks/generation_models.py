"""Part A: output tokens per second on the bundled LLM, by four ways to the same vLLM.

Prompts, seeds, sampling, engine arguments and environment are the same for all four, no prefix is
cached between rounds, and the start of an engine is not counted: a round lasts from the first
request to the last reply. Nor is an engine's first pass over the prompts, in which it meets each
shape of batch for the first time: every way is measured on an engine that has had one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import openai
import pyarrow as pa
from model_server import model_server
from process_cpu import TreeCpu, busy_s
from synth_runs import run_recipe, write_recipe

from synth.core.chat import Request
from synth.engines.bundled import local_model
from synth.engines.vllm import environment
from synth.inputs.tables import read_tables
from synth.plan import make_plan
from synth.recipe import load_recipe

MODEL = "bundled/smollm2-135m-instruct"
SERVED_AS = "smollm2"
MAX_MODEL_LEN = 2048
SAMPLING = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 64}
BODY = "Read the text and go on with it.\n\n{{ text }}"
# What `synth` gives vLLM on a CPU (synth/engines/vllm.py), and no reuse of an earlier round's work.
ENGINE_ARGS: dict[str, Any] = {
    "max_num_seqs": 64,
    "enforce_eager": True,
    "enable_chunked_prefill": False,
    "enable_prefix_caching": False,
}
# Twice the sequences that decode at once, for both clients of the server.
IN_FLIGHT = 128
# Whoever decodes on two cores feels every look at them.
_LOOK_EVERY_S = 10.0
# From a title to two paragraphs.
PROMPT_WORDS = (8, 20, 45, 90, 160)
_PASSAGES = Path(__file__).parents[1] / "recipes" / "data" / "passages.jsonl"

WAYS = {
    "a": "`vllm.LLM.chat`",
    "b": "`synth`, engine `vllm`",
    "c": "vLLM's server, bare `AsyncOpenAI` loop",
    "d": "vLLM's server, `synth` with engine `openai`",
}


@dataclass(frozen=True)
class Round:
    """One way through all prompts once.

    Attributes:
        way: Key of `WAYS`.
        output_tokens: Tokens of all replies.
        seconds: From the first request to the last reply.
        others: Cores that programs outside the benchmark used meanwhile, on average.
    """

    way: str
    output_tokens: int
    seconds: float
    others: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Output tokens per second."""
        return self.output_tokens / self.seconds


def texts_of_mixed_length(count: int) -> list[str]:
    """Pieces of the shipped passages, all different, of as many words as `PROMPT_WORDS` says."""
    lines = _PASSAGES.read_text(encoding="utf-8").splitlines()
    passages = [json.loads(line)["text"].split() for line in lines]
    texts: dict[str, None] = {}  # some passages are copies of others
    for at in itertools.count():
        first, start = at % len(passages), 3 * (at // len(passages))
        words = itertools.chain(*(passages * 2)[first : first + 3])
        length = PROMPT_WORDS[at % len(PROMPT_WORDS)]
        texts[" ".join(itertools.islice(words, start, start + length))] = None
        if len(texts) == count:
            break
    return list(texts)


def measure_models(*, prompts: int, rounds: int) -> dict[str, Any]:
    """Rounds of all four ways, in turn; medians and their ratios.

    Args:
        prompts: Number of prompts.
        rounds: How often each way is taken; the second time in the opposite order, and so on.
    """
    done: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as name, ExitStack() as open_until_end:
        scratch, texts = Path(name), texts_of_mixed_length(prompts)
        requests = _requests(_recipe(scratch / "plan", texts, _vllm_spec()))
        ask_direct = open_until_end.enter_context(_direct(scratch, requests))
        log = scratch / "server.txt"
        base_url = open_until_end.enter_context(model_server(_flags(), _environment(), log))
        ways: dict[str, Callable[[Path], Round]] = {
            "a": lambda _: ask_direct(),
            "b": lambda folder: _synth("b", _recipe(folder, texts, _vllm_spec(), passes=2)),
            "c": lambda _: asyncio.run(_bare_loop(base_url, requests)),
            "d": lambda folder: _synth("d", _recipe(folder, texts, _server_spec(base_url))),
        }
        cpu = open_until_end.enter_context(TreeCpu(os.getpid(), _LOOK_EVERY_S))
        ask_direct()
        asyncio.run(_bare_loop(base_url, requests))
        for number in range(rounds):
            for way in sorted(ways, reverse=bool(number % 2)):
                done.append(_watched(ways[way], scratch / f"{number}-{way}", cpu))
                rate, others = done[-1].tokens_per_s, done[-1].others
                print(f"  {WAYS[way]}: {rate:.1f} tokens/s, others {others:.2f} cores", flush=True)
    return {"prompts": prompts, "rounds": rounds, **summary(done)}


def _watched(take: Callable[[Path], Round], folder: Path, cpu: TreeCpu) -> Round:
    """A round, with what the rest of the machine did meanwhile."""
    cpu.look()
    started_s, all_s, own_s = time.perf_counter(), busy_s(), cpu.cpu_s
    done = take(folder)
    cpu.look()
    others_s = busy_s() - all_s - (cpu.cpu_s - own_s)
    return replace(done, others=round(others_s / (time.perf_counter() - started_s), 2))


def summary(done: Sequence[Round]) -> dict[str, Any]:
    """Median tokens per second of each way, and the median over rounds of the two ratios."""
    rates = {way: [one.tokens_per_s for one in done if one.way == way] for way in WAYS}
    told: dict[str, Any] = {
        way: {
            "name": WAYS[way],
            "tokens_per_s": round(median(found), 1),
            "all": [round(rate, 1) for rate in found],
            "others": [one.others for one in done if one.way == way],
            "output_tokens": next(one.output_tokens for one in done if one.way == way),
        }
        for way, found in rates.items()
    }
    ratios = {
        f"{ours}/{bare}": [
            round(mine / theirs, 3) for mine, theirs in zip(rates[ours], rates[bare], strict=True)
        ]
        for ours, bare in (("b", "a"), ("d", "c"))
    }
    return {
        "ways": told,
        "ratios": {name: {"median": median(found), "all": found} for name, found in ratios.items()},
    }


def _vllm_spec() -> dict[str, Any]:
    return {"kind": "vllm", "model": MODEL, "max_model_len": MAX_MODEL_LEN}


def _server_spec(base_url: str) -> dict[str, Any]:
    spec = {"kind": "openai", "model": SERVED_AS, "base_url": base_url}
    return spec | {"max_in_flight": IN_FLIGHT}


def _recipe(folder: Path, texts: Sequence[str], model: dict[str, Any], passes: int = 1) -> Path:
    folder.mkdir()
    return write_recipe(folder, texts, model, SAMPLING, BODY, passes)


def _requests(recipe: Path) -> list[Request]:
    """What `synth` will send, so that the other ways send the same."""
    plan = make_plan(load_recipe(str(recipe)))
    generation = plan.steps[0].generation
    if generation is None:
        raise TypeError(f"{recipe} does not generate")
    table = pa.concat_tables(list(read_tables(plan.recipe.source, plan.recipe.base, None)))
    return [ask.request for ask in generation.ask(table) if ask.request is not None]


def _environment() -> dict[str, str]:
    return {**os.environ, **environment()}


def _synth(way: str, recipe: Path) -> Round:
    args = ENGINE_ARGS if way == "b" else {}
    run = run_recipe(recipe, args, os.environ, _LOOK_EVERY_S)
    return Round(way, run.output_tokens, run.asking_s)


def _flags() -> list[str]:
    """`ENGINE_ARGS` and the model as the server takes them."""
    flags = ["--model", str(local_model(MODEL)), "--served-model-name", SERVED_AS]
    flags += ["--max-model-len", str(MAX_MODEL_LEN)]
    for name, value in ENGINE_ARGS.items():
        flag = name.replace("_", "-")
        match value:
            case True:
                flags.append(f"--{flag}")
            case False:
                flags.append(f"--no-{flag}")
            case _:
                flags += [f"--{flag}", str(value)]
    return flags


@contextmanager
def _direct(scratch: Path, requests: Sequence[Request]) -> Iterator[Callable[[], Round]]:
    """A process that holds `vllm.LLM` and is idle between rounds."""
    path = scratch / "requests.jsonl"
    path.write_text("".join(json.dumps(_plain(one)) + "\n" for one in requests), encoding="utf-8")
    args = {"model": str(local_model(MODEL)), "max_model_len": MAX_MODEL_LEN, **ENGINE_ARGS}
    script = str(Path(__file__).with_name("direct_vllm.py"))
    with (
        (scratch / "direct.txt").open("w") as log,
        subprocess.Popen(
            [sys.executable, script, str(path), "--engine-args", json.dumps(args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
            text=True,
        ) as process,
    ):
        _heard(process)

        def ask() -> Round:
            if process.stdin is None:
                raise TypeError("no standard input")
            process.stdin.write("\n")
            process.stdin.flush()
            told = _heard(process)
            return Round("a", told["output_tokens"], told["seconds"])

        try:
            yield ask
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


def _heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next JSON line; vLLM writes lines of its own between them."""
    if process.stdout is None:
        raise TypeError("no standard output")
    for line in process.stdout:
        if line.startswith("{"):
            told: dict[str, Any] = json.loads(line)
            return told
    raise RuntimeError(f"vllm.LLM ended with status {process.wait()}")


def _plain(request: Request) -> dict[str, Any]:
    messages = [{"role": one.role, "content": one.content} for one in request.messages]
    sampling = request.sampling.model_dump(exclude_none=True)
    return {"messages": messages, "seed": request.seed, "sampling": sampling}


async def _bare_loop(base_url: str, requests: Sequence[Request]) -> Round:
    slots, tokens = asyncio.Semaphore(IN_FLIGHT), 0
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="none", timeout=600, max_retries=0
    ) as client:

        async def ask(request: dict[str, Any]) -> int:
            async with slots:
                reply = await client.chat.completions.create(
                    model=SERVED_AS,
                    messages=request["messages"],
                    seed=request["seed"],
                    **request["sampling"],
                )
            return reply.usage.completion_tokens if reply.usage else 0

        started_s = time.perf_counter()
        tokens = sum(await asyncio.gather(*(ask(_plain(one)) for one in requests)))
        return Round("c", tokens, time.perf_counter() - started_s)
