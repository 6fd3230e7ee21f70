"""NeMo Data Designer: one LLM text column over a seed file."""

import os
import sys
from pathlib import Path

import harness  # first, because it times the imports below

# isort: split
# Data Designer reads the environment when it is imported.
os.environ["NEMO_TELEMETRY_ENABLED"] = "false"
# Its settings stay in its environment instead of the home directory.
os.environ["DATA_DESIGNER_HOME"] = str(Path(sys.prefix) / "data-designer-home")

import data_designer.config as dd
import pandas as pd
from data_designer.interface import DataDesigner


def pipeline(job: harness.Job) -> harness.Result:
    """Create a dataset from one seed file; the defaults hold except where they would wait."""
    seed = job.scratch / "seed.parquet"
    pd.DataFrame({"text": job.prompts()}).to_parquet(seed)
    model = dd.ModelConfig(
        alias="writer",
        model=harness.MODEL,
        provider="local",
        skip_health_check=True,
        inference_parameters=dd.ChatCompletionInferenceParams(
            max_tokens=harness.MAX_TOKENS, max_parallel_requests=job.in_flight
        ),
    )
    provider = dd.ModelProvider(
        name="local", endpoint=job.base_url, provider_type="openai", api_key=harness.API_KEY
    )
    config = dd.DataDesignerConfigBuilder(model_configs=[model])
    config.with_seed_dataset(dd.LocalFileSeedSource(path=str(seed)))
    config.add_column(
        dd.LLMTextColumnConfig(name="answer", model_alias="writer", prompt="{{ text }}")
    )
    designer = DataDesigner(artifact_path=job.scratch / "artifacts", model_providers=[provider])
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
    results = designer.create(config, num_records=job.rows)
    return harness.Result(list(results.load_dataset()["answer"]))


if __name__ == "__main__":
    harness.main({"data_designer": "data-designer"}, pipeline)
