"""A run that is killed or interrupted: the same command goes on, does nothing twice, loses nothing, reports the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import toy
from toy_models import GATE, MADE

HERE = Path(__file__).resolve().parent
ATTEMPTS = 2
WANTED = {(task.id, number) for task in toy.TASKS for number in range(ATTEMPTS)}
REPLIES = ATTEMPTS * sum(len(task.reference) + 1 for task in toy.TASKS)


def command(suite: Path, output: Path, *more: str) -> list[str]:
    words = ["eval", "--model", "toy_models:gated", "--tasks", str(suite), "--ground", "replay", "--concurrency", "2"]
    words += ["--attempts", str(ATTEMPTS), "--output", str(output), "--json", *more]
    return [sys.executable, "-m", "rise_bench.cli", *words]


def environment(**more: str) -> dict[str, str]:
    paths = [str(HERE), str(HERE.parent)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
        **more,
    }


class Held:
    """A run whose replies pass one by one."""

    def __init__(self, words: Sequence[str], made: Path) -> None:
        self._reached, reached = os.pipe()
        gate, self._gate = os.pipe()
        self.process = subprocess.Popen(
            words,
            env=environment(**{GATE: f"{reached},{gate}", MADE: str(made)}),
            pass_fds=(reached, gate),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        os.close(reached)
        os.close(gate)

    def let_through(self, replies: int) -> None:
        """Let so many replies be given, and wait until the next one is asked for."""
        for _ in range(replies):
            os.write(self._gate, b".")
        for _ in range(replies + 1):
            assert os.read(self._reached, 1), f"it ended early: {self.process.communicate()}"

    def end(self, number: int) -> tuple[int, str]:
        """(exit code, standard error) after a signal."""
        self.process.send_signal(number)
        try:
            _, errors = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # where it stands, for whoever reads of the failure
            raise AssertionError(f"it did not end: {self.process.communicate()[1]}") from None
        return self.process.returncode, errors

    def close(self) -> None:
        os.close(self._reached)
        os.close(self._gate)
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@contextmanager
def held(words: Sequence[str], made: Path) -> Iterator[Held]:
    run = Held(words, made)
    try:
        yield run
    finally:
        run.close()


def finish(words: Sequence[str], made: Path) -> dict[str, Any]:
    """What the command prints as JSON once nothing holds it."""
    done = subprocess.run(
        words, env=environment(**{MADE: str(made)}), capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def keys(run: Path, name: str) -> list[tuple[str, int]]:
    """(task, attempt) of every whole line of a file."""
    path = run / name
    rows = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    read = [json.loads(row) for row in rows if row.endswith(b"\n")]
    return [(row["task"], row["attempt"]) for row in read]


def asked(made: Path) -> set[tuple[str, int]]:
    """(task, attempt) of every reply that the model gave."""
    rows = [line.split() for line in made.read_text(encoding="utf-8").splitlines()]
    return {(task, int(attempt)) for task, attempt, _ in rows}


def timeless(report: dict[str, Any]) -> dict[str, Any]:
    del report["cost"]["seconds"], report["about"]["conditions"]
    return report


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.make_suite(tmp_path_factory.mktemp("toy") / "suite").path


@pytest.fixture(scope="module")
def whole(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    report: dict[str, Any] = finish(command(suite, folder / "runs"), folder / "made.txt")["report"]
    assert len((folder / "made.txt").read_text(encoding="utf-8").splitlines()) == REPLIES
    return timeless(report)


def check_resumed(suite: Path, folder: Path, whole: dict[str, Any]) -> None:
    """Go on with the run in `folder`: what is there is not made again, what is missing is, and the report is the same."""
    (run,) = (folder / "runs").iterdir()
    there = keys(run, "trajectories.jsonl")
    made = folder / "made-after.txt"
    done = finish(command(suite, folder / "runs"), made)
    assert done["made"] == len(WANTED) - len(there)
    assert asked(made) == WANTED - set(there)
    for name in ("trajectories.jsonl", "verdicts.jsonl"):
        assert Counter(keys(run, name)) == Counter(WANTED)
    assert timeless(done["report"]) == whole


@pytest.mark.parametrize("replies", [5, REPLIES - 2])
def test_after_kill_9_the_same_command_does_nothing_twice_and_loses_nothing(
    suite: Path, whole: dict[str, Any], tmp_path: Path, replies: int
) -> None:
    with held(command(suite, tmp_path / "runs"), tmp_path / "made.txt") as run:
        run.let_through(replies)
        assert run.end(signal.SIGKILL)[0] == -signal.SIGKILL
    check_resumed(suite, tmp_path, whole)


def test_killed_again_and_again_it_still_ends_with_the_same_report(
    suite: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    for replies in (0, 7):
        with held(command(suite, tmp_path / "runs"), tmp_path / "made.txt") as run:
            run.let_through(replies)
            run.end(signal.SIGKILL)
        (folder,) = (tmp_path / "runs").iterdir()
        with (folder / "trajectories.jsonl").open("ab") as file:
            file.write(b'{"task":"toy/count-invoices","attempt":0,"mo')  # as if it had died in the middle of a line
    check_resumed(suite, tmp_path, whole)


def test_ctrl_c_ends_at_once_with_130_and_the_same_command_goes_on(
    suite: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    with held(command(suite, tmp_path / "runs"), tmp_path / "made.txt") as run:
        run.let_through(5)
        code, errors = run.end(signal.SIGINT)  # while the model is still waited for
    assert (code, errors) == (130, "interrupted; the same command goes on where it stopped\n")
    check_resumed(suite, tmp_path, whole)


def test_a_second_command_on_a_run_that_is_being_written_is_refused(suite: Path, tmp_path: Path) -> None:
    words = command(suite, tmp_path / "runs")
    with held(words, tmp_path / "made.txt") as run:
        run.let_through(1)
        second = subprocess.run(words, env=environment(), capture_output=True, text=True, encoding="utf-8", check=False)
    assert second.returncode == 2
    assert second.stderr.startswith("error: ")
    assert "another process writes in this run" in second.stderr
    assert second.stderr.count("\n") == 2
