"""vLLM in this process: one AsyncLLM whose continuous batching is kept full."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import re
import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from synth.core.chat import Completion, Message, Request, Sampling
from synth.core.errors import EngineError, RequestRefused
from synth.engines.bundled import local_model
from synth.engines.choices import ALTERNATIVES, choice_reply
from synth.engines.guard import SILENT_S, Guard
from synth.engines.specs import VllmSpec

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from vllm import SamplingParams

EngineArgs = Mapping[str, str | int | float | bool]

# On CPU: 64 sequences decode as fast as 128, compilation costs minutes, and a seed together with
# chunked prefill kills the engine (a CPU generator has no offset).
_CPU_ARGS: dict[str, str | int | float | bool] = {
    "max_num_seqs": 64,
    "enforce_eager": True,
    "enable_chunked_prefill": False,
}
# An engine that is silent for so long, and used less CPU meanwhile than this, is dead; one that
# works may be silent longer, as in a long prefill on a slow CPU.
_WORKING_S, _BUSY_S = 1.0, 600.0
_BEAT_S = 5.0
# Tokenising this much text takes milliseconds, in which no other request would be read.
_LONG_CHARS = 20_000


def environment() -> dict[str, str]:
    """The environment that vLLM wants before it is imported; a variable already set wins."""
    wanted = {
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB; ignored where there is a GPU
        "VLLM_CPU_OMP_THREADS_BIND": f"0-{(os.cpu_count() or 1) - 1}",  # "auto" idles one core
        "TOKENIZERS_PARALLELISM": "false",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


class VllmModel:
    """An LLM in process.

    Raises:
        EngineError: If the engine does not start.
    """

    def __init__(self, spec: VllmSpec, engine_args: EngineArgs) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.exceptions import VLLMError
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        defaults = _CPU_ARGS if current_platform.is_cpu() else {}
        stated: dict[str, Any] = {
            "model": local_model(spec.model),
            "revision": spec.revision,
            "max_model_len": spec.max_model_len,
            "dtype": spec.dtype,
            "quantization": spec.quantization,
            "trust_remote_code": spec.trust_remote_code,
            "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        }
        try:
            args = AsyncEngineArgs(**{**stated, **defaults, **engine_args})
            self._llm = AsyncLLM.from_engine_args(args)
        except (VLLMError, ValueError, TypeError, OSError, RuntimeError) as error:
            raise EngineError(f"vLLM cannot start {spec.model}: {_last_line(error)}") from error
        # The worker of an engine that is killed would live on, and keep its memory and a core.
        self._pids = _with_descendants(multiprocessing.active_children())
        self._guard = Guard(self._pids)
        self._spec = spec
        self._numbers = count()
        self._max_len = self._llm.model_config.max_model_len
        self._tokenizer = self._llm.get_tokenizer()
        special = sorted(filter(None, self._tokenizer.all_special_tokens), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)) or r"(?!)")

    async def complete(self, request: Request) -> Completion:
        """The reply to one request; vLLM schedules all that are under way together."""
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        token_ids = await self._tokens(request.messages)
        if len(token_ids) >= self._max_len:
            raise RequestRefused(
                "prompt_too_long", f"{len(token_ids)} tokens where {self._max_len - 1} fit"
            )
        final = None
        try:
            async for final in self._llm.generate(  # noqa: B007
                {"prompt_token_ids": token_ids}, _params(request), f"r{next(self._numbers)}"
            ):
                pass
        except EngineDeadError as error:
            raise EngineError(f"the vLLM engine of {self._spec.model} died: {error}") from error
        except (VLLMError, ValueError) as error:
            raise RequestRefused("engine_refused", _last_line(error)) from error
        if final is None:
            raise RequestRefused("engine_refused", "vLLM returned no output")
        reply = final.outputs[0]
        sizes = len(token_ids), len(reply.token_ids)
        if request.choices:
            tokens = [(one.decoded_token or "", one.logprob) for one in reply.logprobs[0].values()]
            return Completion(choice_reply(request.choices, tokens), "stop", *sizes)
        return Completion(reply.text, reply.finish_reason or "stop", *sizes)

    async def check(self) -> None:
        """Whether the engine is alive: it answers between two of its steps.

        A slow engine is not a dead one: while its processes use the CPU, a step may take long.

        Raises:
            EngineError: If it died, or neither answers nor works.
        """
        from vllm.v1.engine.exceptions import EngineDeadError

        self._guard.beat()
        started = judged = time.monotonic()
        spent_s = self._cpu_s()
        answer = asyncio.ensure_future(self._llm.is_sleeping())
        try:
            while not (await asyncio.wait([answer], timeout=_BEAT_S))[0]:
                self._guard.beat()
                now = time.monotonic()
                if now - judged < SILENT_S:
                    continue
                judged, silent_s = now, now - started
                worked_s, spent_s = self._cpu_s() - spent_s, self._cpu_s()
                if worked_s < _WORKING_S or silent_s > _BUSY_S:
                    answer.cancel()
                    raise EngineError(
                        f"the vLLM engine of {self._spec.model} did not answer for {silent_s:.0f} s"
                    )
            answer.result()
        except EngineDeadError as error:
            raise EngineError(f"the vLLM engine of {self._spec.model} died: {error}") from error

    def _cpu_s(self) -> float:
        """CPU seconds that the engine's processes have used."""
        import psutil

        spent = 0.0
        for pid in self._pids:
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                spent += times.user + times.system
        return spent

    async def _tokens(self, messages: tuple[Message, ...]) -> list[int]:
        if sum(len(message.content) for message in messages) > _LONG_CHARS:
            return await asyncio.to_thread(self._render, messages)
        return self._render(messages)

    def _render(self, messages: tuple[Message, ...]) -> list[int]:
        chat = [{"role": turn.role, "content": self._plain(turn.content)} for turn in messages]
        try:
            ids = self._tokenizer.apply_chat_template(
                chat,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
                **self._spec.chat_template_kwargs,
            )
        except Exception as error:
            raise RequestRefused("prompt_not_rendered", _last_line(error)) from error
        return [int(token) for token in ids]

    def _plain(self, text: str) -> str:
        """The text, in which nothing reads as a special token: row text cannot start a turn."""
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _with_descendants(children: Sequence[BaseProcess]) -> list[int]:
    import psutil

    found = [psutil.Process(child.pid) for child in children]
    return [one.pid for child in found for one in [child, *child.children(recursive=True)]]


def _params(request: Request) -> SamplingParams:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling: Sampling = request.sampling
    values = sampling.model_dump(exclude_none=True)
    if "stop" in values:
        values["stop"] = list(values["stop"])
    if request.schema is not None:
        values["structured_outputs"] = StructuredOutputsParams(json=orjson.loads(request.schema))
    if request.choices:
        values["logprobs"] = ALTERNATIVES
    return SamplingParams(seed=request.seed, output_kind=RequestOutputKind.FINAL_ONLY, **values)


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:500]
