"""No framework: a loop with a semaphore around one client, which is the floor for the others."""

import asyncio
from collections.abc import Awaitable, Callable

import harness  # first, because it times the imports below

# isort: split
import aiohttp
import openai
from openai import DefaultAsyncHttpxClient

Ask = Callable[[str], Awaitable[str | None]]


async def answer_all(job: harness.Job, ask: Ask) -> harness.Result:
    """Ask every prompt, at most ``job.in_flight`` at a time."""
    clock = harness.AnswerClock()
    slots = asyncio.Semaphore(job.in_flight)

    async def answer(prompt: str) -> str | None:
        async with slots:
            clock.request_sent()
            text = await ask(prompt)
            clock.answer_came()
            return text

    answers = await asyncio.gather(*(answer(prompt) for prompt in job.prompts()))
    return harness.Result(answers, clock.elapsed_s)


async def with_openai(
    job: harness.Job, http_client: DefaultAsyncHttpxClient | None
) -> harness.Result:
    """Ask through the official client; None takes its default transport."""
    async with openai.AsyncOpenAI(
        base_url=job.base_url, api_key=harness.API_KEY, http_client=http_client
    ) as client:

        async def ask(prompt: str) -> str | None:
            completion = await client.chat.completions.create(
                model=harness.MODEL,
                messages=[{"role": "user", "content": prompt}],
                max_tokens=harness.MAX_TOKENS,
            )
            return completion.choices[0].message.content

        return await answer_all(job, ask)


async def with_aiohttp(job: harness.Job) -> harness.Result:
    """Ask through aiohttp alone."""
    url = f"{job.base_url}/chat/completions"
    headers = {"Authorization": f"Bearer {harness.API_KEY}"}
    connector = aiohttp.TCPConnector(limit=job.in_flight)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(prompt: str) -> str:
            body = {
                "model": harness.MODEL,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": harness.MAX_TOKENS,
            }
            async with session.post(url, json=body) as response:
                response.raise_for_status()
                completion = await response.json()
            return completion["choices"][0]["message"]["content"]

        return await answer_all(job, ask)


def pipeline(job: harness.Job) -> harness.Result:
    """Run the client that was chosen."""
    match job.rival:
        case "raw_asyncio":
            return asyncio.run(with_openai(job, None))
        case "raw_openai_aiohttp":
            return asyncio.run(with_openai(job, openai.DefaultAioHttpClient()))
        case _:
            return asyncio.run(with_aiohttp(job))


if __name__ == "__main__":
    packages = {"raw_asyncio": "openai", "raw_openai_aiohttp": "openai", "raw_aiohttp": "aiohttp"}
    harness.main(packages, pipeline)
