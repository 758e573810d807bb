"""A server that dies, hangs, floods or babbles costs one call, never the harness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ground_kit import connected, odd_ground, odd_recipe
from mcp.types import JSONRPCError

from rise_bench.errors import ServerDied, SetupError
from rise_bench.ground.client import MAX_TEXT, Connection
from rise_bench.ground.install import ensure
from rise_bench.ground.sandbox import Sandbox
from rise_bench.ground.transport import MAX_LINE, Framer, stdio

SECRET = "sk-0123456789abcdef"


def processes_naming(text: str) -> list[str]:
    """Command lines of this machine's processes that contain the text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found


def test_tools_are_listed_as_published() -> None:
    with connected() as (connection, sandbox):
        tools = {tool.name: tool for tool in connection.list_tools()}
    assert tools["echo"].description == f"echo in {sandbox.root}"
    assert tools["echo"].annotations == {"readOnlyHint": True}
    assert tools["hang"].annotations == {}
    assert tools["echo"].parameters == {"type": "object"}


def test_a_secret_that_a_server_quotes_in_its_contract_is_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_KEY", SECRET)
    server = odd_ground(odd_recipe(env={"ODD_NOTE": "the key is ${ODD_KEY}"})).servers[0]
    assert SECRET not in server.model_dump_json()
    echo = {tool.name: tool for tool in server.tools}["echo"]
    assert echo.description == "echo in {root}, the key is [secret ODD_KEY]"
    assert echo.parameters["properties"] == {"to": {"default": "the key is [secret ODD_KEY]"}}


def test_arguments_arrive_as_they_were_made_nulls_included() -> None:
    arguments = {"a": None, "b": [1, None, {"c": None}], "ü": "é"}
    with connected() as (connection, _):
        outcome = connection.call("echo", arguments, 10)
    assert outcome.status == "ok"
    assert json.loads(outcome.content) == arguments
    assert outcome.structured == {"result": arguments}


def test_a_tools_own_failure_is_a_result() -> None:
    with connected() as (connection, _):
        outcome = connection.call("fails", {}, 10)
    assert (outcome.status, outcome.content) == ("tool_error", "no such row")


def test_an_error_of_the_servers_own_is_not_taken_for_a_closed_connection() -> None:
    with connected() as (connection, _):
        outcome = connection.call("own_error", {}, 10)
        assert (outcome.status, outcome.content) == ("protocol_error", "quota used up")
        assert connection.call("echo", {}, 10).status == "ok"


def test_a_server_that_dies_in_a_call_is_named_with_its_last_words() -> None:
    with connected() as (connection, _):
        with pytest.raises(ServerDied, match=r"odd: died: .*calling die.*out of cheese"):
            connection.call("die", {}, 10)
        with pytest.raises(ServerDied):
            connection.call("echo", {}, 10)
        assert connection.dead


def test_a_server_that_hangs_in_a_call_is_ended() -> None:
    with connected() as (connection, sandbox):
        assert processes_naming(str(sandbox.folder))
        with pytest.raises(ServerDied, match=r"hung: no answer within 0\.3 s"):
            connection.call("hang", {}, 0.3)
        connection.close()
        assert processes_naming(str(sandbox.folder)) == []


def test_lines_that_are_no_protocol_are_passed_over() -> None:
    with connected("noisy") as (connection, _):
        assert connection.call("junk", {}, 10).content == "after the junk"
        assert connection.call("echo", {}, 10).status == "ok"


def test_a_second_answer_to_a_call_is_passed_over() -> None:
    with connected() as (connection, _):
        assert connection.call("twice", {}, 10).content == "once"
        assert connection.call("echo", {"n": 1}, 10).structured == {"result": {"n": 1}}


def test_output_that_is_not_utf8_is_readable_with_marks() -> None:
    with connected() as (connection, _):
        assert connection.call("not_utf8", {}, 10).content == "caf\N{REPLACEMENT CHARACTER}"


def test_a_flood_of_text_is_cut_and_says_so() -> None:
    with connected() as (connection, _):
        content = connection.call("huge", {"size": 3_000_000}, 60).content
    assert content.startswith("x" * MAX_TEXT + "\n[cut: 3000000 characters")
    assert len(content) < MAX_TEXT + 100


def test_blocks_that_are_no_text_are_named_with_type_and_size() -> None:
    with connected() as (connection, _):
        assert connection.call("image", {}, 10).content == "[image/png, 6 bytes]"


def test_numbers_that_are_not_finite_become_text() -> None:
    with connected() as (connection, _):
        assert connection.call("not_finite", {}, 10).structured == {"value": "nan", "more": ["inf", 1.5]}


def test_an_answer_that_is_no_tool_result_is_a_protocol_error() -> None:
    with connected() as (connection, _):
        outcome = connection.call("no_result", {}, 10)
    assert outcome.status == "protocol_error"
    assert "no valid tool result" in outcome.content


@pytest.mark.parametrize(
    ("start", "seconds", "why"),
    [
        ("broken", 30.0, "odd: cannot be started: .*cannot find my configuration"),
        ("silent", 0.5, "odd: cannot be started: no answer within 0.5 s"),
        ("talks", 20.0, "odd: cannot be started: .*no protocol: Listening on port 80"),
    ],
)
def test_a_server_that_does_not_start_says_why_and_leaves_nothing_running(start: str, seconds: float, why: str) -> None:
    sandbox = Sandbox()
    recipe = odd_recipe(start)
    connection = Connection("odd", stdio(sandbox.launch(recipe, ensure(recipe))), sandbox.log("odd"))
    try:
        with pytest.raises(SetupError, match=why):
            connection.start(seconds)
        assert processes_naming(str(sandbox.folder)) == []
    finally:
        sandbox.close()


def test_a_command_that_does_not_exist_is_a_setup_error() -> None:
    sandbox = Sandbox()
    recipe = odd_recipe().model_copy(update={"command": "/no/such/program"})
    connection = Connection("odd", stdio(sandbox.launch(recipe, ensure(recipe))), sandbox.log("odd"))
    try:
        with pytest.raises(SetupError, match="cannot be started"):
            connection.start(30)
    finally:
        sandbox.close()


def test_closing_twice_and_calling_afterwards_is_safe() -> None:
    with connected() as (connection, sandbox):
        connection.close()
        connection.close()
        assert processes_naming(str(sandbox.folder)) == []
        with pytest.raises(ServerDied):
            connection.call("echo", {}, 10)


def test_calls_from_many_threads_are_answered_each_with_its_own_result() -> None:
    with connected() as (connection, _), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: connection.call("echo", {"n": n}, 30).structured, range(40)))
    assert answers == [{"result": {"n": n}} for n in range(40)]


def test_an_answer_beyond_all_measure_is_refused_at_once_and_the_server_lives_on() -> None:
    with connected() as (connection, _):
        outcome = connection.call("huge", {"size": MAX_LINE + 1}, 60)
        assert (outcome.status, outcome.content) == ("protocol_error", f"the answer is larger than {MAX_LINE} bytes")
        assert connection.call("echo", {}, 10).status == "ok"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_messages_are_cut_from_the_stream_wherever_its_chunks_end(size: int) -> None:
    stream = (
        b'junk\n{"jsonrpc":"2.0","id":1,"result":{"a":"\xc3\xa9"}}\n\n[1]\n{"jsonrpc":"2.0","method":"x"}\n{"jsonrpc"'
    )
    framer = Framer()
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    found = [message.message.model_dump(exclude_none=True) for chunk in chunks for message in framer.feed(chunk)]
    assert found == [
        {"jsonrpc": "2.0", "id": 1, "result": {"a": "é"}},
        {"jsonrpc": "2.0", "method": "x"},
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": 7, "result": "%s"}',
        b'{"result": "%s", "jsonrpc": "2.0", "id":7}',
        b'{"result": {"id": 3, "x": "%s", "y": [{"id": 4}]}, "jsonrpc": "2.0", "id":7}',
        b'{"jsonrpc": "2.0", "id": 7, "result": {"id": 3, "x": "%s", "y": {"id": 4}}}',
    ],
    ids=["first", "last", "last, others inside", "first, others inside"],
)
def test_an_overlong_line_becomes_an_error_with_its_id_wherever_that_stands(line: bytes) -> None:
    framer = Framer(limit=1_000)
    whole = line % (b"x" * 5_000) + b"\n"
    found = [
        message.message for start in range(0, len(whole), 64) for message in framer.feed(whole[start : start + 64])
    ]
    assert [getattr(message, "id", None) for message in found] == [7]
    assert list(framer.feed(b'{"jsonrpc":"2.0","method":"x"}\n'))


def test_half_a_surrogate_pair_in_an_answer_becomes_a_question_mark() -> None:
    line = b'{"result": {"text": "cut \\ud83d"}, "jsonrpc": "2.0", "id": 7}\n'
    (found,) = Framer().feed(line)
    assert found.message.model_dump(exclude_none=True)["result"] == {"text": "cut ?"}


@pytest.mark.parametrize("value", [b"[" * 300 + b"]" * 300, b"9" * 5_000, b"[1,]"], ids=["deep", "long", "broken"])
def test_an_answer_that_cannot_be_read_is_an_error_and_no_silence(value: bytes) -> None:
    (found,) = Framer().feed(b'{"jsonrpc": "2.0", "id": 7, "result": ' + value + b"}\n")
    assert isinstance(found.message, JSONRPCError)
    assert (found.message.id, found.message.error.message) == (7, "the answer is no valid JSON-RPC")


def test_a_log_line_with_an_id_answers_no_call() -> None:
    assert list(Framer().feed(b'{"id": 7, "message": "request done", "took": 1.}\n')) == []


@pytest.mark.parametrize("ending", ["sys.exit(0)", "raise RuntimeError", "pass"])
def test_however_the_interpreter_ends_neither_server_nor_folder_is_left(ending: str) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from ground_kit import odd_ground, odd_recipe, odd_task
from rise_bench.ground.live import LiveGround
source = LiveGround(odd_ground(), Path("."), recipes={{"odd": odd_recipe()}})
session = source.open(odd_task())
print(session._slot.sandbox.folder, flush=True)
{ending}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    folder = done.stdout.strip()
    assert folder
    assert not Path(folder).exists()
    assert processes_naming(folder) == []
