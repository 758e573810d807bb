"""Work on several servers gives results as they come, and ends at once where nobody waits for them any more."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ground_kit import odd_recipe

from rise_bench.cli import main
from rise_bench.errors import SetupError
from rise_bench.ground.client import Connection
from rise_bench.ground.install import ensure
from rise_bench.ground.sandbox import Sandbox
from rise_bench.ground.side_by_side import side_by_side
from rise_bench.ground.transport import stdio

HANGS_SECONDS = 60.0


def interrupt_after(event: threading.Event) -> None:
    def body() -> None:
        if event.wait(HANGS_SECONDS):
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=body, daemon=True).start()


def test_results_come_as_they_are_made() -> None:
    first = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            first.wait(30)
        return number

    results = side_by_side(work, range(3), 2)
    assert {next(results), next(results)} == {1, 2}
    first.set()
    assert list(results) == [0]


def test_an_interrupt_ends_the_servers_that_hang_and_begins_no_other() -> None:
    both = threading.Event()
    hanging = threading.Barrier(2, action=both.set)
    ended: list[str] = []
    recipe = odd_recipe("silent")

    def work(number: int) -> None:
        sandbox = Sandbox()
        connection = Connection("odd", stdio(sandbox.launch(recipe, ensure(recipe))), sandbox.log("odd"))
        try:
            connection.begin()
            hanging.wait(30)
            connection.start(HANGS_SECONDS)
        except SetupError as error:
            ended.append(str(error))
        finally:
            sandbox.close()

    interrupt_after(both)
    with pytest.raises(KeyboardInterrupt):
        list(side_by_side(work, range(6), 2))
    assert len(ended) == 2
    assert all("closed before it was ready" in error for error in ended)


def test_who_gives_up_stops_what_the_work_waits_for() -> None:
    stopped = threading.Event()
    results = side_by_side(lambda number: number or stopped.wait(HANGS_SECONDS), range(4), 4, stop=stopped.set)
    next(results)
    results.close()
    assert stopped.is_set()


def test_an_interrupted_check_ends_and_promises_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = odd_recipe("silent", start_seconds=HANGS_SECONDS)
    (tmp_path / "odd.yaml").write_text(recipe.model_dump_json(exclude_defaults=True), encoding="utf-8")
    begun = threading.Event()
    begin: Callable[[Connection], None] = Connection.begin

    def told(connection: Connection) -> None:
        begin(connection)
        begun.set()

    monkeypatch.setattr(Connection, "begin", told)
    interrupt_after(begun)
    assert main(["ground", "check", "--recipes", str(tmp_path)]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"
