"""sdg-hub's flow of prompt builder, chat block and extractor."""

import os
from pathlib import Path

import harness  # first, because it times the imports below

# isort: split
# litellm reads the environment when it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import pandas as pd
from sdg_hub import Flow

PROMPT = """\
- role: user
  content: "{{ text }}"
"""
FLOW = """\
metadata:
  name: paraphrase
  description: One request per row.
  version: 1.0.0
blocks:
- block_type: PromptBuilderBlock
  block_config:
    block_name: build
    input_cols: [text]
    output_cols: messages
    prompt_config_path: prompt.yaml
- block_type: LLMChatBlock
  block_config:
    block_name: ask
    input_cols: messages
    output_cols: response
    async_mode: true
    max_tokens: {max_tokens}
- block_type: LLMResponseExtractorBlock
  block_config:
    block_name: extract
    input_cols: response
    extract_content: true
"""
ANSWER_COLUMN = "extract_content"


def write_flow(directory: Path) -> Path:
    """Write the flow and its prompt; returns the file of the flow."""
    (directory / "prompt.yaml").write_text(PROMPT)
    flow = directory / "flow.yaml"
    flow.write_text(FLOW.format(max_tokens=harness.MAX_TOKENS))
    return flow


def pipeline(job: harness.Job) -> harness.Result:
    """Generate over one frame."""
    flow = Flow.from_yaml(str(write_flow(job.scratch)))
    flow.set_model_config(
        model=f"hosted_vllm/{harness.MODEL}", api_base=job.base_url, api_key=harness.API_KEY
    )
    rows = pd.DataFrame({"text": job.prompts()})
    answers = flow.generate(rows, max_concurrency=job.in_flight)
    return harness.Result(list(answers[ANSWER_COLUMN]))


if __name__ == "__main__":
    harness.main({"sdg_hub": "sdg-hub"}, pipeline)
