"""A stranger's command line is read, not run, and shown nothing of the user's that it does not need."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from rise_bench.cli import main
from rise_bench.errors import InputError
from rise_bench.ground.install import Installed
from rise_bench.ground.own import own_command
from rise_bench.ground.sandbox import means
from rise_bench.ground.wrap import bind_options


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    for name in ("bin", "work/.venv/bin", ".ssh"):
        (folder / name).mkdir(parents=True)
    for name in ("work/server.py", "work/server.js", "server.py", ".ssh/id"):
        (folder / name).touch()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("line", ["./tools/python3 server.py", "./start", "uv run server.py", "uv run start"])
def test_a_program_that_comes_with_a_server_is_not_run(line: str, home: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    work = home / "work"
    for name in ("tools/python3", ".venv/bin/python"):
        program(work / name, f"#!/bin/sh\ntouch {ran}\nprintf '/usr/bin/python3\\n/usr\\n/usr\\n'\n")
    for name in ("start", ".venv/bin/start"):
        program(work / name, f"#!{work}/tools/python3\n")
    command, *args = line.split()
    with pytest.raises(InputError, match="is a script and no interpreter"):
        own_command(command, args, work, "one")
    assert not ran.exists()


def test_a_shim_of_the_users_own_is_asked_without_his_keys(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program(home / "bin" / "python", f'#!/bin/sh\necho "$SHOP_KEY" > {seen}\nexec {sys.executable} "$@"\n')
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("SHOP_KEY", "sk-1")
    assert own_command("python", ["server.py"], home / "work", "one").command == sys.executable
    assert seen.read_text(encoding="utf-8") == "\n"


def test_an_environment_is_shown_with_what_it_was_made_from(tmp_path: Path) -> None:
    own = own_command(sys.executable, ["-m", "x"], tmp_path, "one")
    assert {sys.prefix, str(Path(sys.executable).resolve().parents[1])} - {"/usr"} <= {*own.mounts}


def test_an_environment_cannot_say_that_a_folder_of_keys_is_its_interpreters(home: Path) -> None:
    venv = home / "work" / ".venv"
    (venv / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (venv / "pyvenv.cfg").write_text(f"home = {home}/.ssh/bin\n", encoding="utf-8")
    mounts = own_command("uv", ["run", "server.py"], home / "work", "one").mounts
    assert not any(str(home / ".ssh").startswith(mount) or ".ssh" in mount for mount in mounts)
    assert str(home / "work") in mounts


@pytest.mark.parametrize(
    "line", ["~/bin/node ~/work/server.js", "uv --directory ~ run server.py", "python ~/server.py"]
)
def test_neither_home_nor_what_holds_it_is_shown(line: str, home: Path) -> None:
    program(home / "bin" / "node", "")
    (home / ".venv" / "bin").mkdir(parents=True)
    (home / ".venv" / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    command, *args = line.split()
    mounts = own_command(command.replace("python", sys.executable), args, home / "work", "one").mounts
    assert mounts
    assert not [mount for mount in mounts if home.is_relative_to(mount)]


def test_an_environment_in_the_home_folder_itself_is_refused(home: Path) -> None:
    (home / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (home / "pyvenv.cfg").touch()
    with pytest.raises(InputError, match="is a home folder and an environment"):
        own_command("~/bin/python", ["server.py"], home / "work", "one")


def test_a_hidden_folder_of_home_is_not_shown_also_through_a_link(home: Path) -> None:
    (home / "work" / "key.py").symlink_to(home / ".ssh" / "id")
    for first in ("~/.ssh/id", "key.py"):
        with pytest.raises(InputError, match="lies in a hidden folder of your home"):
            own_command(sys.executable, [first], home / "work", "one")
    program(home / ".local" / "bin" / "server")
    assert own_command("~/.local/bin/server", [], home / "work", "one").mounts == [f"{home}/.local/bin/server"]


@pytest.mark.parametrize("name", ["node", "python3", "start"])
def test_a_program_that_is_a_link_to_keys_does_not_show_them(name: str, home: Path) -> None:
    (home / "work" / name).symlink_to(home / ".ssh" / "id")
    with pytest.raises(InputError, match="cannot be executed"):
        own_command(f"./{name}", ["server.js"], home / "work", "one")


def test_node_in_the_home_folder_is_shown_alone_to_servers_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = program(home / "bin" / "node", "")
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=os.pathsep)
    assert shutil.which("node") == str(node)
    options = bind_options(Installed(home / "env", None, home / "env" / "node"), (), None)
    shown = [options[at + 1] for at, word in enumerate(options) if word == "--ro-bind"]
    assert str(node) in shown
    assert str(home) not in shown


@pytest.mark.parametrize(("risk", "why"), [([], "nobody has said what it does"), (["--risk", "executes"], "runs code")])
def test_a_server_that_nobody_has_looked_at_is_not_started_without_a_sandbox(
    risk: list[str], why: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "work" / "server.py").write_text(f"open({str(home / 'ran')!r}, 'w')\n", encoding="utf-8")
    hosts = {"mcpServers": {"one": {"command": sys.executable, "args": [str(home / "work" / "server.py")]}}}
    (home / "mcp.json").write_text(json.dumps(hosts), encoding="utf-8")
    monkeypatch.setenv("PATH", str(home / "bin"))
    means.cache_clear()
    try:
        assert main(["ground", "add", str(home / "mcp.json"), "--to", str(home / "recipes"), *risk]) == 2
    finally:
        means.cache_clear()
    said = capsys.readouterr().err
    assert why in said
    assert "bubblewrap (bwrap) is not installed" in said
    assert not (home / "ran").exists()
