"""distilabel: one loader step and one TextGeneration step."""

import harness  # first, because it times the imports below

# isort: split
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def pipeline(job: harness.Job) -> harness.Result:
    """Run without the cache; a batch is as large as the number of requests in flight."""
    with Pipeline(name="paraphrase", cache_dir=job.scratch) as steps:
        load = LoadDataFromDicts(
            data=[{"instruction": text} for text in job.prompts()], batch_size=job.in_flight
        )
        llm = OpenAILLM(
            model=harness.MODEL,
            base_url=job.base_url,
            api_key=harness.API_KEY,
            generation_kwargs={"max_new_tokens": harness.MAX_TOKENS},
        )
        generate = TextGeneration(llm=llm, input_batch_size=job.in_flight)
        load >> generate
    distiset = steps.run(use_cache=False)
    return harness.Result(list(distiset["default"]["train"]["generation"]))


# Its workers are processes that import this module again.
if __name__ == "__main__":
    harness.main({"distilabel": "distilabel"}, pipeline)
