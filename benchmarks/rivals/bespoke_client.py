"""Bespoke Curator's LLM with its online request processor."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import harness  # first, because it times the imports below

# isort: split
os.environ["TELEMETRY_ENABLED"] = "False"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
litellm = importlib.util.find_spec("litellm")
if litellm and litellm.origin:
    # litellm ships the tokenizer file that tiktoken would otherwise download.
    tokenizers = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tokenizers)

from bespokelabs import curator  # noqa: E402 - reads the environment when it is imported
from datasets import Dataset  # noqa: E402

# High enough that only `max_concurrent_requests` limits the run.
REQUESTS_PER_MINUTE = 10_000_000
TOKENS_PER_MINUTE = 1_000_000_000


class Paraphrase(curator.LLM):
    """Sends the text of a row as it is."""

    def prompt(self, row: dict[str, Any]) -> str:
        """The text is the whole prompt."""
        return row["text"]

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:  # noqa: ARG002
        """Keep the answer alone."""
        return {"answer": response}


def pipeline(job: harness.Job) -> harness.Result:
    """Run the LLM over a dataset, with an empty cache."""
    paraphrase = Paraphrase(
        model_name=harness.MODEL,
        backend="openai",
        generation_params={"max_tokens": harness.MAX_TOKENS},
        backend_params={
            "base_url": job.base_url,
            "api_key": harness.API_KEY,
            "max_requests_per_minute": REQUESTS_PER_MINUTE,
            "max_tokens_per_minute": TOKENS_PER_MINUTE,
            "max_concurrent_requests": job.in_flight,
        },
    )
    rows = Dataset.from_list([{"text": text} for text in job.prompts()])
    response = paraphrase(rows, working_dir=str(job.scratch))
    return harness.Result(list(response.dataset["answer"]))


if __name__ == "__main__":
    harness.main({"bespoke": "bespokelabs-curator"}, pipeline)
