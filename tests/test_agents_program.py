"""Which program a command line means, what of this machine it is shown, and what makes it the same program."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_kit import PYTHON, write_agent

from rise_bench.agents.private import installed_copies, private_below
from rise_bench.agents.program import read_command
from rise_bench.errors import InputError, SetupError
from rise_bench.model import load

CHECKOUT = Path(__file__).parents[1]


def identity(command: str, **args: Any) -> str:
    model = load(f"agent:{command}", args)
    try:
        return model.content()
    finally:
        model.close()


def test_a_script_is_shown_its_own_folder_and_its_interpreter(tmp_path: Path) -> None:
    program = read_command(write_agent(tmp_path, "pass"))
    assert program.folders == (tmp_path,)
    assert [Path(PYTHON).is_relative_to(runtime) for runtime in program.runtimes] in ([True], [])


def test_words_that_name_files_are_taken_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_agent(tmp_path / "bot", "pass")
    monkeypatch.chdir(tmp_path)
    program = read_command(f"{PYTHON} bot/agent.py --config missing.toml")
    assert program.words[1:] == (str(tmp_path / "bot" / "agent.py"), "--config", "missing.toml")


def test_a_virtual_environment_is_shown_whole_and_with_its_base(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin" / "python").symlink_to(PYTHON)
    write_agent(tmp_path / "bot", "pass")
    program = read_command(f"{venv}/bin/python {tmp_path}/bot/agent.py")
    assert program.words[0] == str(venv / "bin" / "python")
    assert venv in program.runtimes
    assert program.folders == (tmp_path / "bot",)


def test_a_program_in_the_homes_bin_does_not_show_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script = tmp_path / "bin" / "agent"
    write(script)
    script.chmod(0o700)
    for folder in ("bin", "lib"):  # with a `lib` beside it, it looks like an interpreter's tree
        (tmp_path / folder).mkdir(exist_ok=True)
        program = read_command(str(script))
        assert (program.folders, program.runtimes) == ((tmp_path / "bin",), ())


def test_an_environment_that_is_a_whole_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "pyvenv.cfg")
    with pytest.raises(InputError, match="home folder"):
        read_command(write_agent(tmp_path / "bot", "pass"))


def test_the_folder_above_the_sandboxes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var" / "tmp").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "var" / "tmp"))
    with pytest.raises(InputError, match="sandboxes"):
        read_command(write_agent(tmp_path / "bot", "pass"), str(tmp_path / "var"))


def test_what_is_private_is_found_however_deep_and_in_any_environment(tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c/d/e/f/g"
    copies = [tmp_path / f".venv/lib/python3.11/{name}/rise_bench" for name in ("dist-packages", "site-packages")]
    write(deep / "run.json")
    write(tmp_path / "a" / ".env.local")
    for copy in copies:
        write(copy / "__init__.py")
    assert set(private_below(tmp_path)) == {deep, tmp_path / "a" / ".env.local", *copies}
    assert set(installed_copies(tmp_path / ".venv")) == set(copies)


def test_named_folders_take_the_place_of_the_programs_own(tmp_path: Path) -> None:
    command = write_agent(tmp_path / "bot", "pass")
    (tmp_path / "lib").mkdir()
    program = read_command(command, str(tmp_path / "lib"))
    assert (program.folders, program.files) == ((tmp_path / "lib",), (tmp_path / "bot" / "agent.py",))


def test_the_same_program_elsewhere_has_the_same_files(tmp_path: Path) -> None:
    first, second = (read_command(write_agent(tmp_path / name, "pass")).identity() for name in ("a", "b"))
    assert first == second
    assert set(first) == {"0/agent.py"}


CHANGES: dict[str, tuple[bool, Callable[[Path], object]]] = {
    "its code": (True, lambda folder: (folder / "agent.py").write_text("print()", encoding="utf-8")),
    "a file beside it": (True, lambda folder: (folder / "prompt.txt").write_text("Hi", encoding="utf-8")),
    "a cache": (False, lambda folder: write(folder / "__pycache__" / "agent.pyc")),
    "an environment": (False, lambda folder: [write(folder / "env" / name) for name in ("pyvenv.cfg", "x.py")]),
    "a run": (False, lambda folder: [write(folder / "runs" / "toy-1" / name) for name in ("run.json", "x.jsonl")]),
    "a hidden file": (False, lambda folder: write(folder / ".env")),
}


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_written_by_somebody_is_the_programs_identity(tmp_path: Path, change: str) -> None:
    command = write_agent(tmp_path, "pass")
    before = identity(command)
    differs, act = CHANGES[change]
    act(tmp_path)
    assert (identity(command) != before) == differs


def test_the_command_the_endpoint_and_the_version_belong_to_the_identity(tmp_path: Path) -> None:
    command = write_agent(tmp_path, "pass")
    url = "http://127.0.0.1:1/v1"
    found = [
        identity(command),
        identity(f"{command} -v"),
        identity(command, endpoint=url),
        identity(command, version=2),
    ]
    assert len(set(found)) == len(found)
    assert identity(command) == identity(command, timeout=5)


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        (str(CHECKOUT), "the checkout of rise-bench"),
        (str(CHECKOUT.parent), "the checkout of rise-bench"),
        (str(CHECKOUT / "tasks" / "desk"), "tasks or results"),
        (str(CHECKOUT / "rise_bench" / "agents"), "rise-bench itself"),
        ("~", "home folder"),
        ("/", "home folder"),
    ],
)
def test_a_folder_that_would_show_the_answers_is_refused(tmp_path: Path, mount: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_command(write_agent(tmp_path, "pass"), mount)


@pytest.mark.parametrize(("name", "why"), [("suite.yaml", "the suite in"), ("run.json", "the run in")])
def test_a_program_inside_a_suite_or_a_run_is_refused(tmp_path: Path, name: str, why: str) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=why):
        read_command(write_agent(tmp_path / "bot", "pass"))


def test_a_link_to_a_private_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(CHECKOUT / "tasks")
    with pytest.raises(InputError, match="tasks or results"):
        read_command(write_agent(tmp_path / "bot", "pass"), str(tmp_path / "way"))


def test_the_examples_of_this_checkout_may_be_run() -> None:
    program = read_command(f"{PYTHON} {CHECKOUT}/examples/agents/plain_mcp.py")
    assert program.folders == (CHECKOUT / "examples" / "agents",)


@pytest.mark.parametrize(
    ("command", "args", "why"),
    [
        ("", {}, "no program named"),
        ("no-such-program-here", {}, "no program 'no-such-program-here'"),
        ("sh 'open", {}, "cannot be split"),
        ("sh", {"mount": "/no/such/folder"}, "no such folder"),
        ("sh", {"speed": 1}, "unknown argument 'speed'"),
        ("sh", {"timeout": 0}, "timeout: "),
        ("sh", {"memory": "much"}, "memory: "),
        ("sh", {"endpoint": "localhost:8000"}, "no base URL"),
        ("sh", {"endpoint": "http://me:secret@host/v1"}, "no base URL"),
    ],
)
def test_what_cannot_be_used_is_said_before_the_first_attempt(command: str, args: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why) as caught:
        load(f"agent:{command}", args)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_key_that_is_not_set_is_missed_before_the_first_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEY_OF_A_TEST", raising=False)
    with pytest.raises(SetupError, match="KEY_OF_A_TEST is not set"):
        load("agent:sh", {"endpoint": "https://example.test/v1", "api_key_env": "KEY_OF_A_TEST"})


@pytest.mark.parametrize("key", ["sk-\u00e9", "sk-a\nb"])
def test_a_key_that_no_header_can_hold_is_refused_unshown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_A_TEST", key)
    with pytest.raises(InputError, match="no key has") as refused:
        load("agent:true", {"endpoint": "http://127.0.0.1:1/v1", "api_key_env": "KEY_OF_A_TEST"})
    assert "sk-" not in str(refused.value)


def test_a_run_says_whether_it_was_confined(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model: Any = load(f"agent:{write_agent(tmp_path, 'pass')}", {"confine": False, "memory": 2})
    try:
        assert model.settings() == {"confined": False, "memory_gib": 2.0}
    finally:
        model.close()
    assert "unconfined" in caplog.text


def test_folders_with_more_than_a_program_would_have_are_refused(tmp_path: Path) -> None:
    command = write_agent(tmp_path, "pass")
    with (tmp_path / "weights.bin").open("wb") as file:
        os.truncate(file.fileno(), 65 << 20)
    with pytest.raises(InputError, match="more than"):
        identity(command)
