"""datatrove's InferenceRunner, without checkpoints and with them."""

import json

import harness  # first, because it times the imports below

# isort: split
from collections.abc import Awaitable, Callable
from typing import Any

from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.inference.types import InferenceResult
from datatrove.pipeline.writers import JsonlWriter

Generate = Callable[[dict[str, Any]], Awaitable[InferenceResult]]


def pipeline(job: harness.Job) -> harness.Result:
    """Run one rank in this process; the answers come from the files it wrote."""
    clock = harness.AnswerClock()

    async def roll(document: Document, generate: Generate) -> str:
        clock.request_sent()
        answer = await generate(
            {
                "messages": [{"role": "user", "content": document.text}],
                "max_tokens": harness.MAX_TOKENS,
            }
        )
        clock.answer_came()
        return answer.text

    config = InferenceConfig(
        server_type="endpoint",
        # datatrove appends /v1 itself.
        endpoint_url=job.base_url.removesuffix("/v1"),
        model_name_or_path=harness.MODEL,
        max_concurrent_generations=job.in_flight,
    )
    answers_dir = job.scratch / "answers"
    with_checkpoints = job.rival == "datatrove_checkpoints"
    runner = InferenceRunner(
        roll,
        config,
        JsonlWriter(
            str(answers_dir), output_filename="${rank}_${chunk_index}.jsonl", compression=None
        ),
        checkpoints_local_dir=str(job.scratch / "checkpoints") if with_checkpoints else None,
    )
    documents = [Document(text=text, id=str(row)) for row, text in enumerate(job.prompts())]
    LocalPipelineExecutor(
        pipeline=[documents, runner], tasks=1, logging_dir=str(job.scratch / "logs")
    ).run()
    answers = [
        json.loads(line)["metadata"]["rollout_results"][0]
        for path in sorted(answers_dir.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return harness.Result(answers, clock.elapsed_s)


if __name__ == "__main__":
    harness.main({"datatrove": "datatrove", "datatrove_checkpoints": "datatrove"}, pipeline)
