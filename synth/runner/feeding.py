"""Rows brought to the workers of a generate step by the driver, where they are few.

Ray Data's own workers would take longer to start than few rows take, and would start beside an
engine that decodes on the same cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import ray

from synth.core.rows import Table
from synth.runner.asking import Asker, AskJob


def ask_all(job: AskJob, batches: Sequence[Table], at_once: int) -> list[Table]:
    """The step's rows for all batches, by workers that are started and ended here.

    A worker that is lost is started again, and its batches come to it again.

    Args:
        job: What the workers are given.
        batches: Input rows.
        at_once: Batches under way in each worker.

    Raises:
        RayError: If a worker raised an error, which is in its text.
    """
    remote = ray.remote(Asker).options(
        num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=at_once + 1
    )
    workers = [remote.remote(job) for _ in range(min(job.askers, len(batches)))]
    waiting = deque(enumerate(batches))
    under_way: dict[Any, tuple[int, Any]] = {}
    done: dict[int, Table] = {}
    free = deque(workers * at_once)
    try:
        while waiting or under_way:
            while waiting and free:
                number, batch = waiting.popleft()
                worker = free.popleft()
                under_way[worker.ask.remote(batch)] = number, worker
            ready, _ = ray.wait(list(under_way))
            for ref in ready:
                number, worker = under_way.pop(ref)
                done[number] = ray.get(ref)
                free.append(worker)
    finally:
        for worker in workers:
            ray.kill(worker)
    return [done[number] for number in sorted(done)]
