"""Request rates of keys, and the numbers of requests admitted and run at once."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from facehub.service.errors import BusyError, RateLimitError
from facehub.service.keys import Key, Scope
from facehub.service.limits import Gate, RateLimits


def key(name: str, rate: int) -> Key:
    return Key(name, name * 64, frozenset({Scope.READ}), rate)


def test_rate_limit_allows_a_burst_of_six_seconds_and_refills_at_the_rate() -> None:
    now = 0.0
    limits = RateLimits(lambda: now)
    slow, fast = key("a", 6), key("b", 60)  # one each 10 s; six at once, then one a second
    limits.take(slow)
    with pytest.raises(RateLimitError) as refused:
        limits.take(slow)
    assert refused.value.retry_after == 10
    for _ in range(6):
        limits.take(fast)
    with pytest.raises(RateLimitError):
        limits.take(fast)
    now = 9.5
    with pytest.raises(RateLimitError) as refused:
        limits.take(slow)
    assert refused.value.retry_after == 1
    for _ in range(6):  # in 9.5 s, the bucket does not fill beyond its size
        limits.take(fast)
    with pytest.raises(RateLimitError):
        limits.take(fast)
    now = 10.1
    limits.take(slow)


def test_gate_admits_workers_and_queue_only() -> None:
    gate = Gate(workers=1, queue_size=1, deadline=1)
    with gate.enter(), gate.enter():
        with pytest.raises(BusyError), gate.enter():
            pass
        assert gate.inside == 2
    assert gate.inside == 0
    with gate.enter():
        pass


def test_gate_bounds_the_bytes_of_all_bodies_together() -> None:
    gate = Gate(workers=1, queue_size=9, deadline=1, max_held=100)
    with gate.enter() as first, gate.enter() as second:
        first.hold(60)
        second.hold(40)
        with pytest.raises(BusyError):
            second.hold(1)
        assert gate.held == 100
    assert gate.held == 0


def test_work_that_waits_past_the_deadline_is_refused_and_not_run() -> None:
    gate = Gate(workers=1, queue_size=1, deadline=0.1)
    release, done = threading.Event(), []

    async def both() -> tuple[str, float]:
        first = asyncio.create_task(gate.run(lambda: release.wait(5)))
        await asyncio.sleep(0.02)
        started = time.monotonic()
        with pytest.raises(BusyError):
            await gate.run(lambda: done.append("second"))
        waited = time.monotonic() - started
        release.set()
        assert await first  # work that has begun is finished, past the deadline
        return "first", waited

    _, waited = asyncio.run(both())
    gate.close()
    assert waited < 2
    assert done == []


def test_workers_run_in_parallel_and_errors_are_passed_on() -> None:
    gate = Gate(workers=2, queue_size=0, deadline=5)
    both = threading.Barrier(2, timeout=5)

    async def run() -> None:
        await asyncio.gather(gate.run(both.wait), gate.run(both.wait))
        with pytest.raises(KeyError):
            await gate.run(lambda: {}["no"])

    asyncio.run(run())
    gate.close()
