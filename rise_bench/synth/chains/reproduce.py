"""A chain run end to end on fresh sandboxes, twice and differently: what it gives, or why it is dropped."""

from __future__ import annotations

from rise_bench.errors import GroundFault
from rise_bench.played import Compared, Played, compared, failure, idle_reads, run_calls
from rise_bench.synth.chains.known import leaves
from rise_bench.synth.records import Chain, Dropped
from rise_bench.types import GroundSource, Task

__all__ = ["reproduce"]


def reproduce(chain: Chain, source: GroundSource, varied: GroundSource) -> Chain | Dropped:
    """The chain with its results, volatile leaves and state; or why it does not stand.

    Reasons: `does not run`, `does not run again`, `differs`, `empty answer`, `says nothing`, `ground fault`.

    Args:
        chain: virtual.
        source: live ground.
        varied: the same ground run differently on purpose; every read-only tool of the chain's servers that needs no
            argument is called in between.
    """
    task = _task(chain)
    tools = {tool.id: tool for server in source.ground.servers for tool in server.tools}
    try:
        first = run_calls(source, task, chain.calls)
        if not first.whole:
            return _dropped(chain, "does not run", failure(first))
        if empty := _empty(first):
            return _dropped(chain, "empty answer", empty)
        second = run_calls(varied, task, chain.calls, between=idle_reads(task, tools))
    except GroundFault as fault:
        return _dropped(chain, "ground fault", str(fault))
    if not second.whole:
        return _dropped(chain, "does not run again", failure(second))
    both = compared(first, second)
    if both.unlike:
        return _dropped(chain, "differs", both.unlike[0])
    if _says_nothing(chain, first, both):
        return _dropped(chain, "says nothing", "it changes nothing, and every leaf of its last answers is volatile")
    update = {"recorded": tuple(first.values()), "volatile": both.volatile, "state": both.state}
    return chain.model_copy(update=update)


def _task(chain: Chain) -> Task:
    """What a ground needs to run the chain: its world with just the servers that it calls."""
    servers = tuple(dict.fromkeys(tool.partition(".")[0] for tool in chain.tools))
    return Task(
        id=f"chain/{chain.digest()[:12]}",
        request="",
        now=chain.world.now,
        setup=chain.world.setup,
        servers=servers,
        reference=chain.calls,
    )


def _dropped(chain: Chain, reason: str, detail: str) -> Dropped:
    return Dropped(stage="reproduce", what=chain.digest(), reason=reason, detail=detail)


def _empty(played: Played) -> str:
    """Which call answered nothing at all, in words."""
    for number, (call, value) in enumerate(zip(played.calls, played.values(), strict=True)):
        told = [leaf for _, leaf in leaves(value) if leaf is not None and leaf != ""]
        if not told and not played.results[number].changed:
            return f"call {number} ({call.tool})"
    return ""


def _says_nothing(chain: Chain, played: Played, both: Compared) -> bool:
    """Is nothing changed, and nothing steady answered by a call on whose answer no other rests?"""
    if played.state is None or any(change.match != "any" for change in both.state or ()):
        return False
    feeding = {edge.producer for edge in chain.edges}
    for number, value in enumerate(played.values()):
        unsteady = [
            pointer
            for _, call, pointer in (leaf.split(":", 2) for leaf in both.volatile if leaf.startswith("result:"))
            if int(call) == number
        ]
        if number not in feeding and any(not _within(pointer, unsteady) for pointer, _ in leaves(value)):
            return False
    return True


def _within(pointer: str, unsteady: list[str]) -> bool:
    return any(pointer == other or pointer.startswith(f"{other}/") for other in unsteady)
