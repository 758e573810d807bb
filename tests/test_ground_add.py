"""Servers as other MCP hosts write them become entries of one's own: pinned, confined, without their secrets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from rise_bench.cli import main
from rise_bench.errors import InputError
from rise_bench.ground.adding import fit_names
from rise_bench.ground.contract import load_contract
from rise_bench.ground.freeze import freeze
from rise_bench.ground.hiding import Hidden, is_secret
from rise_bench.ground.hosts import Entry, read_hosts
from rise_bench.ground.launchers import Wanted, script_needs, wanted
from rise_bench.ground.own import own_command
from rise_bench.ground.recipe import load_recipe
from rise_bench.ground.samples import sample, schema_problem
from rise_bench.types import Tool

SERVERS = Path(__file__).parent / "fixtures" / "ground" / "servers"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())


def written(folder: Path, text: object) -> Path:
    path = folder / "mcp.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def entries(folder: Path, text: object) -> dict[str, Entry]:
    return {entry.name: entry for entry in read_hosts(written(folder, text))}


# --- the file ---------------------------------------------------------------------------------------------------------

SERVER = {"command": "uvx", "args": ["some-server"]}


@pytest.mark.parametrize(
    "wrap",
    [
        {"mcpServers": {"one": SERVER}},
        {"servers": {"one": SERVER}, "inputs": []},
        {"mcp": {"servers": {"one": SERVER}}, "editor.fontSize": 12},
        {"context_servers": {"one": {"command": {"path": "uvx", "args": ["some-server"]}}}},
        {"mcpServers": {"one": {"type": "stdio", **SERVER, "timeout": 60, "alwaysAllow": ["x"]}}},
        {"mcpServers": {"one": {"command": ["uvx", "some-server"]}, "two": {**SERVER, "disabled": True}}},
        {"one": SERVER},
    ],
    ids=["mcpServers", "servers", "settings", "context_servers", "typed", "list", "bare"],
)
def test_a_server_is_read_from_whatever_hosts_wrap_it_in(wrap: object, tmp_path: Path) -> None:
    found = entries(tmp_path, wrap)
    assert list(found) == ["one"]
    assert (found["one"].command, found["one"].args) == ("uvx", ("some-server",))


def test_a_single_server_without_a_name_takes_the_files(tmp_path: Path) -> None:
    assert list(entries(tmp_path, SERVER)) == ["mcp"]


@pytest.mark.parametrize(
    ("entry", "headers"),
    [
        ({"url": "https://example.org/mcp"}, {}),
        ({"type": "http", "url": "https://example.org/mcp", "headers": {"X-A": "b"}}, {"X-A": "b"}),
        ({"type": "streamable-http", "url": "https://example.org/mcp"}, {}),
        ({"serverUrl": "https://example.org/mcp"}, {}),
        (
            {
                "command": "npx",
                "args": ["-y", "mcp-remote@1", "https://example.org/mcp", "--header", "X-A: ${B}"],
                "env": {"B": "b"},
            },
            {"X-A": "b"},
        ),
    ],
)
def test_a_server_elsewhere_is_its_address(entry: object, headers: dict[str, str], tmp_path: Path) -> None:
    found = entries(tmp_path, {"mcpServers": {"one": entry}})["one"]
    assert (found.url, found.command, found.headers) == ("https://example.org/mcp", "", headers)


def test_what_hosts_fill_in_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SET", "x")
    env = {
        "A": "${env:TOKEN_A}",
        "B": "${input:api key}",
        "C": "${UNSET_ONE:-plain}",
        "D": "${SET:-plain}",
        "E": "${F}",
        "N": 3,
    }
    found = entries(tmp_path, {"mcpServers": {"one": {**SERVER, "args": ["${workspaceFolder}/a", 1], "env": env}}})
    assert found["one"].env == {
        "A": "${TOKEN_A}",
        "B": "${API_KEY}",
        "C": "plain",
        "D": "${SET}",
        "E": "${F}",
        "N": "3",
    }
    assert found["one"].args == (f"{tmp_path}/a", "1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("   \n", "is empty"),
        ("{\n// mine\n}", r"mcp.json:2: holds a comment, and JSON has none"),
        ('{"mcpServers": {}, # mine\n}', r"mcp.json:1: holds a comment"),
        ('{"mcpServers": {},\n}', r"mcp.json:\d: is not JSON"),
        ("hello", r"mcp.json:1: is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no list of MCP servers"),
        ("{}", "names no servers"),
        ({"mcpServers": {}}, "names no servers"),
        ({"mcpServers": ["a"]}, "is no list of MCP servers"),
        ({"mcpServers": {"one": "uvx"}}, "is no list of MCP servers"),
        ({"mcpServers": {"one": {"args": []}}}, "one: needs either a `command` or a `url`"),
        ({"mcpServers": {"one": {**SERVER, "url": "https://a.b"}}}, "one: needs either a `command` or a `url`"),
        ({"mcpServers": {"one": {"url": "ftp://a"}}}, "is no address of HTTP"),
        ({"mcpServers": {"one": {"type": "sse", "url": "https://a.b/sse"}}}, "speaks SSE, which MCP has replaced"),
        ({"mcpServers": {"one": {"type": "pigeon", **SERVER}}}, "type 'pigeon' is not known"),
        ({"mcpServers": {"one": {"command": 3}}}, "command: is no text"),
        ({"mcpServers": {"one": {**SERVER, "args": "a b"}}}, "args: is no list of texts"),
        ({"mcpServers": {"one": {**SERVER, "args": [["a"]]}}}, "args: is no list of texts"),
        ({"mcpServers": {"one": {**SERVER, "env": ["A=b"]}}}, "env: is no mapping"),
        ('{"mcpServers": {"one": {"command": "a"}, "one": {"command": "b"}}}', "the key 'one' is there twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    text: object, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=why):
        read_hosts(written(tmp_path, text))
    assert main(["ground", "add", str(tmp_path / "mcp.json"), "--to", str(tmp_path / "recipes")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "recipes").exists()


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_hosts(tmp_path / "no.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_hosts(tmp_path)
    (tmp_path / "mcp.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_hosts(tmp_path / "mcp.json")


def test_names_are_made_fit_and_stay_apart() -> None:
    given = ["My Shop!", "my-shop", "3d", "Größe", "ÄÖ"]
    assert list(fit_names(given).values()) == ["my-shop", "my-shop-2", "server-3d", "gr-e", "server"]


# --- command lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("uvx srv", Wanted("pypi", ("srv",), "srv", ())),
        ("uvx srv@1.2 --root x", Wanted("pypi", ("srv@1.2",), "srv", ("--root", "x"))),
        ("uvx --python 3.12 --from srv[a]==1.2 run-it -v", Wanted("pypi", ("srv[a]==1.2",), "run-it", ("-v",), "3.12")),
        ("uvx --from=srv --with a,b cmd", Wanted("pypi", ("srv", "a", "b"), "cmd", ())),
        ("uv tool run srv", Wanted("pypi", ("srv",), "srv", ())),
        ("/home/me/.local/bin/uvx -q srv", Wanted("pypi", ("srv",), "srv", ())),
        ("pipx run --spec srv==2 cmd x", Wanted("pypi", ("srv==2",), "cmd", ("x",))),
        ("uv run --with mcp --with a==1 mcp run s.py", Wanted("pypi", ("mcp", "a==1"), "mcp", ("run", "s.py"))),
        ("uv run --with mcp s.py", Wanted("pypi", ("mcp",), "python", ("s.py",))),
        ("npx -y @a/b@1.2.3 dir", Wanted("npm", ("@a/b@1.2.3",), "", ("dir",))),
        ("npx --package=@a/b tool x", Wanted("npm", ("@a/b",), "tool", ("x",))),
        ("cmd /c npx srv", Wanted("npm", ("srv",), "", ())),
        ("npx.cmd srv", Wanted("npm", ("srv",), "", ())),
        ("bunx srv", Wanted("npm", ("srv",), "", ())),
        ("pnpm dlx srv", Wanted("npm", ("srv",), "", ())),
        ("python server.py", None),
        ("uv run server.py", None),
        ("uv --directory /x run server.py", None),
        ("npm start", None),
    ],
)
def test_a_launcher_names_its_package_and_a_plain_command_none(line: str, what: Wanted | None) -> None:
    command, *args = line.split()
    assert wanted(command, args, "one") == what


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("docker run -i --rm mcp/fetch", "starts a container with docker, which cannot run inside the sandbox"),
        ("podman run x", "starts a container"),
        ("uvx", "names no package"),
        ("uvx --from", "option --from has no value"),
        ("uvx --index-url https://x srv", "option --index-url is not understood"),
        ("uvx git+https://example.org/x", "is no package of a registry"),
        ("uvx ./local", "is no package of a registry"),
        ("npx -y", "names no package"),
        ("pipx install x", "does not say `pipx run`"),
    ],
)
def test_what_cannot_run_in_a_sandbox_says_why(line: str, why: str) -> None:
    command, *args = line.split()
    with pytest.raises(InputError, match=why):
        wanted(command, args, "one")


def test_a_script_says_itself_what_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        '# /// script\n# dependencies = [\n#   "mcp>=2",\n#   "pint",\n# ]\n# ///\nprint()\n', encoding="utf-8"
    )
    assert script_needs(script) == ("mcp>=2", "pint")
    script.write_text("print()\n", encoding="utf-8")
    assert script_needs(script) == () == script_needs(tmp_path / "no.py")


def test_a_plain_command_keeps_its_words_and_shows_its_folder_and_interpreter_alone(tmp_path: Path) -> None:
    for name in ("a/server.py", "a/settings.json", "b/data.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    args = [
        "-u",
        "a/server.py",
        "a/settings.json",
        "--db=./b/data.csv",
        str(tmp_path / "b"),
        "--mode",
        "fast",
        "~/x.db",
    ]
    own = own_command(sys.executable, args, tmp_path, "one")
    place = str(tmp_path / "a")
    inside = [
        f"{place}/server.py",
        f"{place}/settings.json",
        "--db={root}/data.csv",
        "{root}",
        "--mode",
        "fast",
        "{root}/x.db",
    ]
    assert own.args == ["-u", *inside]
    assert own.command == sys.executable
    assert set(own.mounts) <= {place, sys.prefix, sys.base_prefix}
    assert place in own.mounts
    assert len(own.told) == 3


@pytest.mark.parametrize("line", ["#!/usr/bin/env python3", "#!/usr/bin/env -S python3", "#!{python}"])
def test_a_script_runs_on_the_python_that_its_first_line_means_here(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "server"
    script.write_text(line.format(python=sys.executable) + "\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setitem(os.environ, "PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    own = own_command("./server", ["x"], tmp_path, "one")
    assert Path(own.command).parent == Path(sys.executable).parent
    assert own.args == [str(script), "x"]
    assert sys.prefix in own.mounts


def test_a_module_is_found_in_the_folder_where_the_host_would_start_it(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    own = own_command(sys.executable, ["-m", "server"], tmp_path, "one")
    assert own.args == ["-m", "server"]
    assert own.env == {"PYTHONPATH": f"{tmp_path}:{{inside}}"}
    assert str(tmp_path) in own.mounts


def test_a_home_folder_is_never_shown_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path))
    (tmp_path / "server.py").touch()
    own = own_command(sys.executable, ["server.py"], tmp_path, "one")
    assert str(tmp_path) not in own.mounts
    assert str(tmp_path / "server.py") in own.mounts


def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no program 'no-such-server'"):
        own_command("no-such-server", [], tmp_path, "one")
    with pytest.raises(InputError, match=r"has no environment.*uv sync"):
        own_command("uv", ["--directory", str(tmp_path), "run", "server.py"], tmp_path, "one")


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("OPENAI_API_KEY", "anything", True),
        ("GITHUB_TOKEN", "ghp_0123", True),
        ("DB_PASSWORD", "x", True),
        ("ANYTHING", "sk-proj-0123456789", True),
        ("ANYTHING", "0123456789abcdef0123456789abcdef", True),
        ("DATABASE_URL", "postgres://me:hunter2@host/db", True),
        ("Authorization", "Bearer abc", True),
        ("MODE", "fast", False),
        ("MAX_TOKENS", "4096", False),
        ("USE_AUTH", "true", False),
        ("GIT_AUTHOR_NAME", "Me", False),
        ("GITHUB_TOKEN", "${GITHUB_TOKEN}", False),
        ("DATA", "/home/me/a/very/long/path/to/data/2026/file.db", False),
    ],
)
def test_secrets_are_told_by_name_or_by_look(name: str, value: str, secret: bool) -> None:
    assert is_secret(name, value) == secret


def test_secrets_become_variables_and_the_rest_stays() -> None:
    hidden = Hidden("my-shop", {"API_KEY": "another server's"})
    assert hidden.setting("API_KEY", "mine") == "${MY_SHOP_API_KEY}"
    assert hidden.setting("MODE", "fast") == "fast"
    assert hidden.header("Authorization", "Bearer abcdef") == "Bearer ${MY_SHOP_AUTHORIZATION}"
    assert hidden.header("Authorization", "Bearer ${MINE}") == "Bearer ${MINE}"
    fresh = Hidden("my-shop", {})
    assert fresh.address("https://a.b/mcp?api_key=12x4&v=2") == "https://a.b/mcp?api_key=${MY_SHOP_API_KEY}&v=2"
    assert hidden.address("https://me:pw@a.b/mcp") == "https://${MY_SHOP_USER}@a.b/mcp"
    assert hidden.mask("failed with abcdef") == "failed with ${MY_SHOP_AUTHORIZATION}"


def test_an_added_server_leaves_its_secret_out_of_all_that_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "ghp_0123456789abcdefABCDEF"
    server = {
        "command": sys.executable,
        "args": [str(SERVERS / "bad.py"), "well"],
        "env": {"MY_PAT": secret, "MODE": "a"},
    }
    path = written(tmp_path, {"mcpServers": {"One Server": server}})
    line = ["ground", "add", str(path), "--to", str(tmp_path / "recipes")]
    assert main(line) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "one-server: MY_PAT is a secret and was not written: set it in the environment, or in .env" in said
    recipe = load_recipe(tmp_path / "recipes" / "one-server.yaml")
    assert recipe.env == {"MY_PAT": "${MY_PAT}", "MODE": "a"}
    files = [file for file in (tmp_path / "recipes").rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"one-server.yaml", "one-server.json", "probes.yaml"}
    assert all(secret not in file.read_text(encoding="utf-8") for file in files)
    # what is there is kept, and said
    before = {file: file.read_bytes() for file in files}
    assert main(line) == 2
    assert "one-server.yaml: is there already" in capsys.readouterr().err
    assert before == {file: file.read_bytes() for file in files}
    assert main([*line, "--force"]) == 0
    # and all commands on servers find it
    recipes = str(tmp_path / "recipes")
    assert main(["ground", "check", "--recipes", recipes]) == 0
    assert main(["ground", "ls", "--recipes", recipes, "--json"]) == 0
    assert '"server": "one-server"' in capsys.readouterr().out
    assert main(["ground", "check", "nope", "--recipes", recipes]) == 2


@pytest.mark.parametrize(
    "args",
    [["--api-key", "sk-0123456789"], ["--api-key", "mine"], ["--token=${MY_TOKEN}"], ["--dir", "${NOT_SET_ANYWHERE}"]],
)
def test_a_secret_among_the_arguments_is_refused(
    args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, {"mcpServers": {"one": {"command": sys.executable, "args": args}}})
    assert main(["ground", "add", str(path), "--to", str(tmp_path / "recipes")]) == 2
    error = capsys.readouterr().err
    assert "an argument" in error and "sk-0123" not in error


# --- what is tried, and what it shows ---------------------------------------------------------------------------------


def serving(folder: Path, tools: object, does: str = '"seen"') -> Path:
    """A host's file with one server, `mine`, of these tools; every call does the same."""
    place = folder / "server"
    place.mkdir()
    source = (SERVERS / "bad.py").read_text(encoding="utf-8")
    assert 'else "seen"' in source
    (place / "bad.py").write_text(source.replace('else "seen"', f"else {does}"), encoding="utf-8")
    main_file = f'import sys\nimport bad\n\nbad.TOOLS["mine"] = {tools!r}\nsys.argv[1:] = ["mine"]\nbad.main()\n'
    (place / "server.py").write_text(main_file, encoding="utf-8")
    server = {"command": sys.executable, "args": [str(place / "server.py")]}
    return written(folder, {"mcpServers": {"mine": server}})


def published_tool(name: str, properties: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "name": name,
        "inputSchema": {"type": "object", "properties": properties, "required": list(properties)},
        **more,
    }


def test_a_guessed_call_that_changed_nothing_makes_no_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cancel = published_tool("cancel_order", {"order_id": {"type": "string"}})
    path = serving(tmp_path, [cancel], '"there is no order note"')
    assert main(["ground", "add", str(path), "--probe", "--to", str(tmp_path / "recipes")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "mine: not known whether they read or write: cancel_order; say so under `effects`" in said
    contract = load_contract("mine", tmp_path / "recipes" / "contracts")
    assert contract is not None
    assert (contract.seen["cancel_order"].ok, contract.seen["cancel_order"].basis) == (1, ())
    ground = freeze("own", [load_recipe(tmp_path / "recipes" / "mine.yaml")])
    assert ground.servers == (contract.server,), "a suite freezes the same"
    assert contract.server.tools[0].effect == "unknown"


def test_a_tool_that_says_that_it_reads_and_was_seen_to_write_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look = published_tool("look", {}, annotations={"readOnlyHint": True})
    path = serving(tmp_path, [look], 'str(open("seen.txt", "a").write("x"))')
    assert main(["ground", "add", str(path), "--to", str(tmp_path / "recipes")]) == 0
    assert "look says that it only reads, and changed seen.txt" in " ".join(capsys.readouterr().out.split())
    recipe = load_recipe(tmp_path / "recipes" / "mine.yaml")
    contract = load_contract("mine", tmp_path / "recipes" / "contracts")
    assert contract is not None
    assert recipe.effects == {"look": "write"}
    assert freeze("own", [recipe]).servers == (contract.server,)


def test_a_tool_that_asks_for_too_much_is_not_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = published_tool("huge", {"text": {"type": "string", "minLength": 10**10}})
    path = serving(tmp_path, [huge, published_tool("look", {})])
    assert main(["ground", "add", str(path), "--probe", "--to", str(tmp_path / "recipes"), "--json"]) == 0
    (added,) = json.loads(capsys.readouterr().out)["added"]
    assert (added["tools"], added["called"]) == (2, 1)


def schema(of: JsonValue, **more: Any) -> Tool:
    """A tool that asks for one argument of such a schema."""
    asked: dict[str, JsonValue] = {"type": "object", "properties": {"a": of}, "required": ["a"]}
    return Tool(server="s", name="t", parameters=asked | more)


@pytest.mark.parametrize(
    ("tool", "made"),
    [
        (schema({"type": "string", "minLength": 10**10}), None),
        (schema({"type": "string", "minLength": 12}), {"a": "note" * 4}),
        (schema({"type": "array", "minItems": 10**10, "items": {"type": "string"}}), None),
        (schema({"type": "array", "minItems": 2, "items": {"type": "string"}}), {"a": ["note", "note"]}),
        (schema({"$ref": "#"}, properties={f"p{n}": {"$ref": "#"} for n in range(60)}), {"a": None}),
        (
            schema({}, required=[f"p{n}" for n in range(60)], properties={f"p{n}": {"$ref": "#"} for n in range(60)}),
            None,
        ),
        (schema({"$ref": "#/properties/a"}), {"a": None}),
        (schema({"enum": list(range(100_000))}), {"a": 0}),
        (schema({"type": "string", "pattern": "^(a+)+$"}), {"a": "note"}),
        (schema({"$ref": "#/$defs/a%20b"}, **{"$defs": {"a b": {"type": "integer"}}}), {"a": 1}),
    ],
    ids=["long", "longer", "many", "two", "cycle", "wide", "self", "choices", "pattern", "pointer"],
)
def test_plain_arguments_are_made_of_any_schema_or_none(tool: Tool, made: object) -> None:
    assert schema_problem(tool) == ""
    assert sample(tool) == made


def test_a_schema_of_no_known_kind_is_said() -> None:
    assert schema_problem(schema({}, **{"$schema": ["x"]})) == "its schema is no JSON Schema: $schema is no text"


@pytest.mark.parametrize("to", ["afile", "afile/recipes", "/proc/nowhere/recipes"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_starts(
    to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "afile").touch()
    path = serving(tmp_path, [published_tool("look", {})])
    assert main(["ground", "add", str(path), "--to", str(tmp_path / to)]) == 2
    what, remedy = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"error: --to: .* (is no folder|cannot be written: .*)", what)
    assert remedy == "  remedy: choose a folder that can be written"


def test_without_a_file_it_is_the_file_alone_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ground", "add"])
    assert capsys.readouterr().err.startswith("error: the following arguments are required: file\n")


# --- real packages ----------------------------------------------------------------------------------------------------


@pytest.mark.servers
@pytest.mark.slow
def test_packages_are_installed_at_exact_versions_and_their_paths_moved_into_the_sandbox(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    servers = {
        "clock": {"command": "uvx", "args": ["mcp-server-time", "--local-timezone=Europe/Berlin"]},
        "files": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", "/Users/me/Desktop"],
        },
    }
    if shutil.which("npm") is None:
        del servers["files"]
    path = written(tmp_path, {"mcpServers": servers})
    assert main(["ground", "add", str(path), "--to", str(tmp_path / "recipes")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    clock = load_recipe(tmp_path / "recipes" / "clock.yaml")
    assert clock.package is not None and clock.package.version
    assert any(pin.startswith("mcp==") for pin in clock.package.pins)
    assert f"clock: no version was named: pinned to mcp-server-time=={clock.package.version}" in told
    if "files" in servers:
        files = load_recipe(tmp_path / "recipes" / "files.yaml")
        assert files.package is not None and files.package.version == "2026.8.31"
        assert files.command == "{node}/node_modules/.bin/mcp-server-filesystem"
        assert files.args == ("{root}",)
        assert "files: no version was named" not in told


@pytest.mark.servers
def test_a_package_that_does_not_exist_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = {"command": "uvx", "args": ["mcp-server-time@0.0.0.1"]}
    path = written(tmp_path, {"mcpServers": {"one": server}})
    assert main(["ground", "add", str(path), "--to", str(tmp_path / "recipes")]) == 2
    assert "the package cannot be found" in capsys.readouterr().err


# --- the document -----------------------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).parent.parent / "docs" / "ground.md"


@pytest.mark.slow
def test_the_way_from_ten_lines_to_an_evaluation_works_as_the_document_says(tmp_path: Path) -> None:
    section = DOCUMENT.read_text(encoding="utf-8").split("\n## Your own server\n")[1].split("\n## ")[0]
    files = re.findall(r"^`([^`\s]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert (len(files), len(commands)) == (5, 2)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COLUMNS"))},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    entry = load_recipe(tmp_path / "shop-suite" / "recipes" / "shop.yaml")
    assert entry.effects == {"order": "write"}
    (report,) = (tmp_path / "runs").glob("*/report.json")
    numbers = json.loads(report.read_text(encoding="utf-8"))
    assert (numbers["judged"], numbers["acc_intent"]["value"], numbers["evidence"]) == (2, 1.0, {"state": 2})
    assert "1 as recorded, 0 differ" in done.stdout
