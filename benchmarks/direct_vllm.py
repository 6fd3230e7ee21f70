"""`vllm.LLM.chat` on the requests of a file, once for each line of standard input.

Prints one JSON line when the engine is up, and one with seconds and tokens after each round.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("requests", type=Path, help="JSON lines of messages and sampling")
    parser.add_argument("--engine-args", type=json.loads, required=True, help="as a JSON object")
    args = parser.parse_args()
    from vllm import LLM, SamplingParams

    asked: list[dict[str, Any]] = [
        json.loads(line) for line in args.requests.read_text(encoding="utf-8").splitlines()
    ]
    llm = LLM(**args.engine_args)
    _tell({"ready": True})
    for _ in sys.stdin:
        started_s = time.perf_counter()
        replies = llm.chat(
            [one["messages"] for one in asked],
            [SamplingParams(seed=one["seed"], **one["sampling"]) for one in asked],
            use_tqdm=False,
        )
        seconds = time.perf_counter() - started_s
        tokens = sum(len(reply.outputs[0].token_ids) for reply in replies)
        _tell({"seconds": seconds, "output_tokens": tokens})


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
