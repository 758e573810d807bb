"""The adaptive limit, on an event loop with a clock of its own."""

from __future__ import annotations

import asyncio

from rise_bench.model.limiter import AdaptiveLimit


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_until_it_is_pushed_back_the_limit_doubles_with_each_round_up_to_the_ceiling() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(4, 10, Clock())
        for _ in range(4):
            limit.succeeded()
        assert limit.limit == 8
        for _ in range(8):
            limit.succeeded()
        assert limit.limit == 10

    asyncio.run(run())


def test_after_push_back_successes_raise_the_limit_by_about_one_a_round_up_to_the_ceiling() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(5, 6, Clock())
        async with limit.slot() as started_in:
            limit.pushed_back(started_in)
        assert limit.limit == 4
        for _ in range(4):
            limit.succeeded()
        assert 4.8 < limit.limit <= 5.0
        for _ in range(100):
            limit.succeeded()
        assert limit.limit == 6

    asyncio.run(run())


def test_push_back_takes_a_fifth_once_for_requests_of_the_same_round() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(10, 10, Clock())
        async with limit.slot() as first, limit.slot() as second:
            limit.pushed_back(first)
            limit.pushed_back(second)
        assert limit.limit == 8
        async with limit.slot() as later:
            limit.pushed_back(later)
        assert limit.limit == 6.4

    asyncio.run(run())


def test_the_limit_never_falls_below_one() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(2, 10, Clock())
        for _ in range(20):
            async with limit.slot() as started_in:
                limit.pushed_back(started_in)
        assert limit.limit == 1
        async with limit.slot():
            pass

    asyncio.run(run())


def test_no_more_requests_run_than_the_limit_and_every_one_gets_its_turn() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(3, 3, Clock())
        running = peak = done = 0

        async def request() -> None:
            nonlocal running, peak, done
            async with limit.slot():
                running += 1
                peak = max(peak, running)
                await asyncio.sleep(0)
                running -= 1
                done += 1

        await asyncio.gather(*(request() for _ in range(20)))
        assert (peak, done) == (3, 20)

    asyncio.run(run())


def test_those_who_wait_are_served_in_their_order_and_a_cancelled_one_is_passed_over() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(1, 1, Clock())
        served: list[int] = []

        async def request(number: int) -> None:
            async with limit.slot():
                served.append(number)

        async with limit.slot():
            waiting = [asyncio.create_task(request(number)) for number in range(4)]
            await asyncio.sleep(0)
            waiting[1].cancel()
        waiting[0].cancel()  # its turn has come, but it does not take it
        await asyncio.gather(*waiting, return_exceptions=True)
        assert served == [2, 3]

    asyncio.run(run())


def test_a_cancelled_request_gives_its_room_back() -> None:
    async def run() -> None:
        limit = AdaptiveLimit(1, 1, Clock())

        async def stuck() -> None:
            async with limit.slot():
                await asyncio.Event().wait()

        task = asyncio.create_task(stuck())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5), limit.slot():
            pass

    asyncio.run(run())


def test_a_pause_holds_new_requests_back_until_it_is_over() -> None:
    async def run() -> None:
        clock = Clock()
        limit = AdaptiveLimit(2, 2, clock)
        limit.pushed_back(0, pause=0.001)
        entered = False

        async def request() -> None:
            nonlocal entered
            async with limit.slot():
                entered = True

        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not entered
        clock.now = 1.0
        await task
        assert entered

    asyncio.run(run())
