"""What requests to models cost in one call of `synth`, and its limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rise_bench.errors import InputError, RiseError
from rise_bench.types import Reply

__all__ = ["Purse", "Spent"]


class Spent(RiseError):
    """A limit of cost or requests was reached: the stage stops, and the same command with a wider one goes on."""


class Purse:
    """What one call of `synth` has asked and spent, and its limits. Shared by all roles; used from many threads.

    A request counts from when it is sent. What it will cost is not known then: it counts for as much as the dearest answer
    so far, and the first one is waited for alone. So only an answer dearer than all before it can go beyond `max_cost`.

    Args:
        max_cost: None = no limit; needs prices.
        max_requests: None = no limit.
        prices: of a million input tokens and of a million output tokens.
    """

    def __init__(
        self,
        max_cost: float | None = None,
        max_requests: int | None = None,
        prices: tuple[float, float] | None = None,
    ) -> None:
        if max_cost is not None and prices is None:
            remedy = "give --price-in and --price-out, per million tokens"
            raise InputError("needs prices", where="--max-cost", remedy=remedy)
        self._max_cost = max_cost
        self._max_requests = max_requests
        self._prices = prices or (0.0, 0.0)
        self._changed = threading.Condition()
        self._under_way = 0
        self._dearest: float | None = None
        self.requests = 0
        self.spent = 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request that is made within, and that `pay` is told of; waits where those under way might use up the rest.

        Raises:
            Spent: a limit is reached.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way or self._affordable())
            if self._max_requests is not None and self.requests >= self._max_requests:
                raise Spent(f"{self.requests} requests were made", where="--max-requests", remedy=_MORE)
            if not self._affordable():
                what = f"{self.spent:.4f} is spent, and an answer cost up to {self._dearest or 0:.4f}"
                raise Spent(what, where="--max-cost", remedy=_MORE)
            self.requests += 1
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _affordable(self) -> bool:
        """Would one more request stay within the limit of cost, each under way as dear as the dearest answer so far?"""
        if self._max_cost is None:
            return True
        if self._dearest is None:
            return not self._under_way and self._max_cost > 0
        wanted = self.spent + (self._under_way + 1) * self._dearest
        return wanted <= self._max_cost * (1 + 1e-9)  # sums of prices are not exact

    def pay(self, reply: Reply) -> None:
        """Add what a reply cost.

        Raises:
            InputError: the limit cannot be kept, since the endpoint does not count its tokens.
        """
        counted = reply.input_tokens is not None or reply.output_tokens is not None
        if self._max_cost is not None and not counted and any(self._prices):
            raise InputError(
                "cannot be kept: the endpoint does not say how many tokens it used",
                where="--max-cost",
                remedy="use --max-requests instead; what was made is kept",
            )
        price_in, price_out = self._prices
        cost = ((reply.input_tokens or 0) * price_in + (reply.output_tokens or 0) * price_out) / 1e6
        with self._changed:
            self.spent += cost
            self._dearest = max(self._dearest or 0.0, cost)


_MORE = "what was made is kept: the same command with a wider limit goes on where it stopped"
