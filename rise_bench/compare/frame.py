"""What a comparison needs to know of a suite: its tasks with their clusters and domains, worked out once for all sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rise_bench.errors import InputError
from rise_bench.store import LoadedSuite
from rise_bench.types import Ground, RunSpec, Task

__all__ = ["Frame", "SideTask"]


@dataclass(frozen=True, slots=True)
class SideTask:
    """A task as far as a comparison looks at it."""

    task: Task
    domain: str

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def digest(self) -> str:
        """Of the whole task: two suites share a task where id and digest are the same."""
        return self.task.digest()

    @property
    def cluster(self) -> str:
        """The task's own."""
        return self.task.own_cluster


@dataclass(frozen=True, slots=True)
class Frame:
    """What all sides of one suite share."""

    path: Path
    version: str
    digest: str
    margin: float
    tasks: tuple[SideTask, ...]

    @classmethod
    def of(cls, loaded: LoadedSuite) -> Frame:
        """Of a suite that was read."""
        suite = loaded.suite
        tasks = tuple(SideTask(task, _domain(task, loaded.ground)) for task in suite.tasks)
        return cls(loaded.path, suite.version, suite.digest(), suite.margin, tasks)

    def refuse_other(self, spec: RunSpec, where: str) -> None:
        """Check that something was made on this suite.

        Raises:
            InputError: it was made on another one; names both digests.
        """
        if self.digest != spec.suite_digest:
            raise InputError(
                f"was run on {spec.suite} {spec.suite_version} with digest {spec.suite_digest[:12]}; "
                f"{self.path} is {self.version} with {self.digest[:12]}",
                where=where,
                remedy="name that suite's folder with --tasks, or run again",
            )


def _domain(task: Task, ground: Ground) -> str:
    """The domain of the deciding server, which a cluster is named after; else the first tag (imported suites)."""
    decisive = task.cluster.rsplit("/", 1)[-1]
    for server in ground.servers:
        if server.name and server.name == decisive:
            return server.domain or server.name
    return task.tags[0] if task.tags else decisive or task.id
