"""The public verbs on suites: prove the tasks of one, and record what was proved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rise_bench import plugins
from rise_bench.check import Finding, Proof, check_tasks
from rise_bench.errors import InputError
from rise_bench.ground.freeze import freeze
from rise_bench.ground.recipe import Recipe, load_recipe, recipes_in
from rise_bench.store import LoadedSuite, load_suite, read_records, read_yaml, write_atomic, write_lines
from rise_bench.types import GroundSource, Task

__all__ = ["CheckReport", "check_suite"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check_suite` saw. `ok` iff no task was refused and, where nothing is written, none differs from the record."""

    suite: str
    proved: int
    refused: int
    mutations: int
    """Critical mutations that ran and gave another outcome."""
    findings: tuple[Finding, ...]
    written: str = ""
    unreleasable: tuple[str, ...] = ()
    """Its servers on which no released suite may rest, each with the licences: it may be used all the same."""

    @property
    def ok(self) -> bool:
        """Nothing refused."""
        return self.proved > 0 and not any(finding.severity == "refused" for finding in self.findings)


def check_suite(
    name: str,
    *,
    only: Sequence[str] = (),
    write: bool = False,
    refreeze: bool = False,
    workers: int = 2,
    allow_unsafe: bool = False,
    notice: Callable[[str], None] | None = None,
    done: Callable[[Proof, int], None] = lambda proof, total: None,
) -> CheckReport:
    """Prove the tasks of a suite live, as they were written by hand or by a recipe, and write down or compare what they gave.

    Args:
        name: a shipped suite's name, or a folder.
        only: task ids; empty = all.
        write: record what was proved in `tasks.jsonl`; refused tasks are left out of it.
        refreeze: take the servers' contracts anew into `ground.json`.
        workers: tasks proved side by side.
        allow_unsafe: run servers that execute code although there is no bubblewrap.
        notice: takes a line about each server that is installed.
        done: told of each proof, with the number of all.

    Raises:
        InputError: the suite cannot be read, or `only` names a task that it does not have.
        SetupError: a server cannot be installed or started, or its contract is not the frozen one.
    """
    loaded = load_suite(name, proved=False)
    if refreeze or not (loaded.path / "ground.json").is_file():
        _freeze(loaded, allow_unsafe, notice)
        loaded = load_suite(name, proved=False)
    tasks = _chosen(loaded, only)
    plain = _source(loaded, tasks, allow_unsafe, varied=False, notice=notice)
    varied = _source(loaded, (), allow_unsafe, varied=True, notice=notice)
    try:
        proofs = check_tasks(tasks, plain, varied, workers=workers, done=lambda proof: done(proof, len(tasks)))
    finally:
        plain.close()
        varied.close()
    findings = [finding for proof in proofs for finding in proof.findings]
    written = ""
    if write:
        written = str(_write(loaded, proofs, partial=bool(only)))
    else:
        findings += _drifted(loaded, proofs, partial=bool(only))
    return CheckReport(
        suite=loaded.suite.name,
        proved=sum(proof.holds for proof in proofs),
        refused=sum(not proof.holds for proof in proofs),
        mutations=sum(proof.mutations for proof in proofs),
        findings=tuple(findings),
        written=written,
        unreleasable=_unreleasable(loaded),
    )


def _chosen(loaded: LoadedSuite, only: Sequence[str]) -> list[Task]:
    tasks = loaded.tasks
    for wanted in only:
        if wanted not in tasks:
            raise InputError("no such task", where=wanted, remedy=f"see {loaded.path / 'tasks'}")
    if not tasks:
        raise InputError("has no tasks", where=str(loaded.path / "tasks"), remedy="write some")
    return [tasks[wanted] for wanted in only] if only else list(tasks.values())


def _source(
    loaded: LoadedSuite,
    tasks: Sequence[Task],
    allow_unsafe: bool,
    *,
    varied: bool,
    notice: Callable[[str], None] | None,
) -> GroundSource:
    factory = plugins.load("ground", "live")
    source: GroundSource = factory(
        ground=loaded.ground,
        fixtures=loaded.fixtures,
        recipes=loaded.recipes,
        servers=tuple(dict.fromkeys(name for task in tasks if task.kind == "complete" for name in task.servers)),
        allow_unsafe=allow_unsafe,
        varied=varied,
        notice=notice,
    )
    return source


def _freeze(loaded: LoadedSuite, allow_unsafe: bool, notice: Callable[[str], None] | None) -> None:
    """Take the contracts of the servers that `suite.yaml` names into `ground.json`."""
    head = read_yaml(loaded.path / "suite.yaml")
    servers = head.get("servers") if isinstance(head, dict) else None
    if not isinstance(servers, list) or not servers:
        raise InputError("names no servers", where=str(loaded.path / "suite.yaml"), remedy="add `servers: [...]`")
    ground = freeze(loaded.suite.name, _recipes(loaded, map(str, servers)), progress=notice, allow_unsafe=allow_unsafe)
    write_atomic(loaded.path / "ground.json", ground.model_dump_json(indent=1) + "\n")


def _recipes(loaded: LoadedSuite, servers: Iterable[str]) -> list[Recipe]:
    """The entries of servers: the suite's own, else the catalogue's."""
    own = recipes_in(loaded.recipes)
    return [own.get(server) or load_recipe(server) for server in servers]


def _unreleasable(loaded: LoadedSuite) -> tuple[str, ...]:
    recipes = _recipes(loaded, (server.name for server in loaded.ground.servers))
    return tuple(
        f"{recipe.name} ({', '.join((recipe.license or 'no licence stated', *recipe.copyleft.values()))})"
        for recipe in recipes
        if not recipe.releasable
    )


def _write(loaded: LoadedSuite, proofs: Sequence[Proof], *, partial: bool) -> Path:
    """`tasks.jsonl` with the proved tasks in the order they were written in."""
    path = loaded.path / "tasks.jsonl"
    kept = {task.id: task for task in read_records(Task, path)} if partial and path.is_file() else {}
    for proof in proofs:
        kept.pop(proof.task.id, None)
        if proof.holds:
            kept[proof.task.id] = proof.task
    write_lines(path, [kept[name] for name in loaded.tasks if name in kept])
    return path


def _drifted(loaded: LoadedSuite, proofs: Sequence[Proof], *, partial: bool) -> list[Finding]:
    """Proved tasks that are not what `tasks.jsonl` holds, and what it holds though nobody wrote it (any more)."""
    path = loaded.path / "tasks.jsonl"
    stored = {task.id: task for task in read_records(Task, path)} if path.is_file() else {}
    gone = () if partial else sorted(stored.keys() - loaded.tasks.keys())
    return [
        Finding(name, "refused", f"stands in {path.name} and in no file under tasks/; record anew with --write")
        for name in gone
    ] + [
        Finding(proof.task.id, "refused", f"is not what {path.name} holds: {_difference(proof.task, stored)}")
        for proof in proofs
        if proof.holds and stored.get(proof.task.id) != proof.task
    ]


def _difference(task: Task, stored: dict[str, Task]) -> str:
    old = stored.get(task.id)
    if old is None:
        return "it is not there; record it with --write"
    fields = [name for name in Task.model_fields if getattr(task, name) != getattr(old, name)]
    return f"{', '.join(fields)} differ; look why, then record it with --write"
