"""What a suite is made of, as a page: kinds and parts, lengths, servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rise_bench.types import Task

__all__ = ["composition"]


def composition(tasks: Sequence[Task], unseen: Iterable[str] = ()) -> str:
    """Markdown: tasks by kind and part, reference calls of complete tasks, tasks by server called.

    Args:
        tasks: each with the name of its part as first tag.
        unseen: servers of the unseen-servers part.
    """
    kinds = Counter((task.kind, task.tags[0] if task.tags else "") for task in tasks)
    parts = sorted({part for _, part in kinds})
    complete = [task for task in tasks if task.kind == "complete"]
    lengths = Counter(len(task.reference) for task in complete)
    called = Counter(server for task in complete for server in {call.tool.partition(".")[0] for call in task.reference})
    tools = {call.tool for task in tasks for call in task.reference}
    marked = {name: f"{name} *" if name in set(unseen) else name for name in called}
    clusters = len({task.cluster for task in tasks})
    across = sum(len({call.tool.partition(".")[0] for call in task.reference}) > 1 for task in complete)
    told = (
        f"{len(complete)} are complete, {across} of these across servers. They call {len(tools)} tools of {len(called)} servers"
        f" (* = of the unseen-servers part) and stand in {clusters} clusters."
    )
    return "\n".join(
        [
            f"# {len(tasks)} tasks",
            "",
            told,
            "",
            *_table(["kind", *parts], {kind: [kinds[kind, part] for part in parts] for kind, _ in sorted(kinds)}),
            "",
            *_table(["calls of the reference", "tasks"], {str(n): [lengths[n]] for n in sorted(lengths)}),
            "",
            *_table(["server called", "tasks"], {marked[name]: [called[name]] for name, _ in called.most_common()}),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Mapping[str, Sequence[int]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return lines + [f"| {name} | {' | '.join(map(str, counts))} |" for name, counts in rows.items()]
