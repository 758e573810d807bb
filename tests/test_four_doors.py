"""One tiny model through four doors: the number does not depend on the door that it came through.

The doors are `hf:` (transformers in our process), `transformers serve` behind `openai:`, `lm-eval:hf`, and `vllm:` where a
vLLM is at hand. Greedy, in float32, on the same tasks. What must be the same: every text, every call (tool and arguments),
how each attempt ends, how many tokens were read and written at each turn, and both verdicts.

What may differ, and why:

- **Ids of calls.** Servers make them up; we number them where an engine gives none. No score looks at them, and the
  template of this model does not print them.
- **What is called malformed.** Servers read calls with parsers of their own. Where such a parser sees no call, the text
  comes as content, and we call it malformed only where it has the marks of one: JSON without marks may be meant for the
  reader. Where we read the text ourselves, JSON that looks like a call is called malformed as well. The text, that it
  holds no call, and the verdicts are the same.
- **A call cut short or broken, at `transformers serve`.** Its parser raises and the server answers HTTP 500 instead of the
  text (seen with 5.23). That is the endpoint's fault and not the model's answer, so the attempt is a fault (None) there and
  a malformed call (0) elsewhere. Nothing else stands between these doors.
- **Tokens through `lm-eval:hf`.** lm-eval gives back texts and does not say how many tokens they took.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import toy
from transformers import AutoTokenizer

from rise_bench import bench
from rise_bench.model.load import load
from rise_bench.model.prompt import template_messages
from rise_bench.model.vllm import Vllm
from rise_bench.model.vllm_server import EXECUTABLE
from rise_bench.model.wire import Names, chat_messages, tool_schema
from rise_bench.rollout import attempt
from rise_bench.runs import Run
from rise_bench.score import score
from rise_bench.types import (
    Assistant,
    Budget,
    Message,
    Model,
    ModelRequest,
    Reply,
    Sampling,
    System,
    ToolResult,
    Trajectory,
    User,
)

pytestmark = pytest.mark.slow

SAMPLING = Sampling(temperature=0, max_tokens=64)
BUDGET = Budget(turns=3, seconds=300)
DESK = 6

Door = tuple[str, dict[str, Any]]
"""`--model` and `--model-args`."""


class Seen(NamedTuple):
    """What one attempt came to, without what may differ."""

    task: str
    messages: list[tuple[Any, ...]]
    stop: str
    turns: int
    input_tokens: int | None
    output_tokens: int | None
    acc_task: float | None
    acc_intent: float | None


def of_message(message: Message) -> tuple[Any, ...]:
    """A message without ids, and with what is malformed as a fact."""
    if isinstance(message, Assistant):
        calls = [(call.tool, call.arguments) for call in message.tool_calls]
        return "assistant", message.content, calls, bool(message.malformed)
    if isinstance(message, ToolResult):
        return "tool", message.tool, message.status, message.content
    return message.role, message.content


def seen(made: Trajectory, acc_task: float | None, acc_intent: float | None) -> Seen:
    messages = [of_message(message) for message in made.messages]
    used = made.usage
    return Seen(made.task, messages, made.stop, used.turns, used.input_tokens, used.output_tokens, acc_task, acc_intent)


def play(model: Model) -> list[Seen]:
    """Each task of the toy suite once, one after the other."""
    found = []
    for task in toy.proved():
        made = attempt(model, toy.FolderGround(), task, system_prompt=toy.PROMPT, budget=BUDGET)
        verdicts = score(task, made, toy.GROUND)
        found.append(seen(made, *(verdict.value for verdict in verdicts)))
    return found


def through(door: Door) -> list[Seen]:
    name, args = door
    with closing(load(name, args, sampling=SAMPLING)) as model:
        return play(model)


def check_served(found: list[Seen], wanted: list[Seen]) -> None:
    """The same, but where a broken call is a fault of that server."""
    for theirs, ours in zip(said(found), said(wanted), strict=True):
        broken = any("<tool_call>" in message[1] for message in ours.messages if message[0] == "assistant")
        assert theirs == ours or (broken and theirs.stop == "fault")
    assert any(row.stop != "fault" for row in found)


def said(rows: list[Seen]) -> list[Seen]:
    """Without whether a text that holds no call is called malformed."""
    return [
        row._replace(messages=[each[:3] if each[0] == "assistant" else each for each in row.messages]) for row in rows
    ]


def uncounted(rows: list[Seen]) -> list[Seen]:
    return [row._replace(input_tokens=None, output_tokens=None) for row in rows]


# --- the doors --------------------------------------------------------------------------------------------------------


def hf(model: Path) -> Door:
    return f"hf:{model}", {"dtype": "float32"}


def lm_eval(model: Path) -> Door:
    return "lm-eval:hf", {"pretrained": str(model), "dtype": "float32", "device": "cpu"}


def vllm(model: Path) -> Door:
    return f"vllm:{model}", {"dtype": "float32", "enforce_eager": True, "max_model_len": 16_384}


@contextmanager
def served(model: Path, folder: Path) -> Iterator[Door]:
    """The model behind `transformers serve`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    (folder / "hub").mkdir(parents=True)  # without it the list of models is an error
    program = Path(sys.executable).parent / "transformers"
    words = [program, "serve", model, "--host", "127.0.0.1", "--port", url.rpartition(":")[2], "--device", "cpu"]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            [*words, "--dtype", "float32"],
            env={**os.environ, "HF_HOME": str(folder), "HF_HUB_OFFLINE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(f"{url}/health", server)
        yield f"openai:{model}", {"base_url": f"{url}/v1", "timeout": 300, "retries": 2, "backoff": 0.05}
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    with httpx2.Client(trust_env=False) as client:
        while True:
            assert server.poll() is None, "the server ended"
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx2.ConnectError:
                try:
                    server.wait(0.5)
                except subprocess.TimeoutExpired:
                    continue


@pytest.fixture(scope="module")
def by_hf(tiny_model: Path) -> list[Seen]:
    """What all the others are compared with."""
    return through(hf(tiny_model))


@pytest.fixture(scope="module")
def at_server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with served(tiny_model, tmp_path_factory.mktemp("serve")) as door:
        yield door


@pytest.fixture(scope="module")
def at_vllm(tiny_model: Path) -> Iterator[Vllm]:
    """A vLLM of our own, started."""
    if not os.environ.get(EXECUTABLE):
        pytest.skip(f"{EXECUTABLE} names no vLLM; `make test-vllm` builds one")
    name, args = vllm(tiny_model)
    with closing(load(name, args, sampling=SAMPLING)) as model:
        assert isinstance(model, Vllm)
        model.start()
        yield model


# --- the toy suite ----------------------------------------------------------------------------------------------------


def test_the_tiny_model_says_enough_to_tell_doors_apart(by_hf: list[Seen]) -> None:
    said = [message for row in by_hf for message in row.messages if message[0] == "assistant"]
    assert len({message[1] for message in said}) > 3
    assert any(message[2] for message in said), "no call was made"
    assert any(row.turns > 1 for row in by_hf)
    assert all(row.stop != "fault" for row in by_hf)


def test_transformers_serve_gives_what_hf_gives(by_hf: list[Seen], at_server: Door) -> None:
    check_served(through(at_server), by_hf)


def test_lm_eval_gives_what_hf_gives(by_hf: list[Seen], tiny_model: Path) -> None:
    assert uncounted(through(lm_eval(tiny_model))) == uncounted(by_hf)


@pytest.mark.vllm
def test_vllm_gives_what_hf_gives(by_hf: list[Seen], at_vllm: Vllm) -> None:
    assert said(play(at_vllm)) == said(by_hf)
    assert at_vllm.reading.by == "engine"


@pytest.mark.vllm
def test_vllm_renders_messages_and_tools_to_the_same_tokens(at_vllm: Vllm, tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    shown = toy.GROUND.servers[0].tools
    names = Names.of(shown)
    tools = [tool_schema(tool, names) for tool in shown]
    with_calls = 0
    for messages in histories(tmp_path):
        ours = tokenizer.apply_chat_template(
            template_messages(messages, names), tools=tools, add_generation_prompt=True, return_dict=False
        )
        sent = {"model": str(tiny_model), "messages": chat_messages(messages, names), "tools": tools}
        told = httpx2.post(f"{at_vllm.server.url}/tokenize", json=sent, timeout=60, trust_env=False)
        assert told.json()["tokens"] == ours
        with_calls += any(isinstance(message, ToolResult) for message in messages)
    assert with_calls > 3


def histories(folder: Path) -> Iterator[tuple[Message, ...]]:
    """All that the oracle was asked on the toy suite: histories with calls, bound arguments and results."""
    suite = toy.make_suite(folder).suite
    with closing(load("oracle", suite=suite)) as oracle:
        for task in suite.tasks:
            made = attempt(oracle, toy.FolderGround(), task, system_prompt=toy.PROMPT, budget=BUDGET)
            for at, message in enumerate(made.messages):
                if isinstance(message, Assistant):
                    yield made.messages[:at]


# --- real servers -----------------------------------------------------------------------------------------------------


def evaluated(door: Door, ground: Any, cassette: Path, folder: Path) -> list[Seen]:
    """The first tasks of `desk`, through the whole path."""
    name, args = door
    live = ground == "live"
    options = bench.Options(
        suite="desk",
        model=name,
        model_args=args,
        ground=ground,
        sampling=SAMPLING,
        budget=BUDGET,
        cassette=None if live else cassette,
        record=cassette if live else None,
        limit=DESK,
        concurrency=2,
        cache="off",
        output=folder,
    )
    run = Run.open(bench.evaluate(options).run)
    verdicts = {row.task: (row.acc_task.value, row.acc_intent.value) for row in run.scored()}
    made = sorted(run.trajectories(), key=lambda made: made.task)
    return [seen(trajectory, *verdicts[trajectory.task]) for trajectory in made]


@pytest.fixture(scope="module")
def desk_by_hf(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Seen], Path]:
    """What `hf:` gives live, and the recording of it."""
    folder = tmp_path_factory.mktemp("desk")
    cassette = folder / "cassette.jsonl"
    return evaluated(hf(tiny_model), "live", cassette, folder / "runs"), cassette


@pytest.mark.servers
def test_on_real_servers_transformers_serve_and_lm_eval_make_the_same_calls(
    desk_by_hf: tuple[list[Seen], Path], at_server: Door, tiny_model: Path, tmp_path: Path
) -> None:
    rows, cassette = desk_by_hf
    assert all(row.stop != "fault" for row in rows)
    check_served(evaluated(at_server, "replay", cassette, tmp_path / "serve"), rows)
    found = evaluated(lm_eval(tiny_model), "replay", cassette, tmp_path / "lm-eval")
    assert uncounted(found) == uncounted(rows)


@pytest.mark.vllm
@pytest.mark.servers
def test_on_real_servers_vllm_attached_to_makes_the_same_calls(
    desk_by_hf: tuple[list[Seen], Path], at_vllm: Vllm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, cassette = desk_by_hf
    monkeypatch.setenv("VLLM_API_KEY", at_vllm.server.key)
    door = at_vllm.name, {"base_url": at_vllm.server.url}
    assert said(evaluated(door, "replay", cassette, tmp_path / "vllm")) == said(rows)


# --- an adapter, and the end of a real engine -------------------------------------------------------------------------

OWNER = """
import json, sys, threading
from rise_bench.model.load import load
from rise_bench.types import ModelRequest, Sampling
name, args, requests = json.loads(sys.argv[1])
model = load(name, args, sampling=Sampling(temperature=0, max_tokens=64))
replies = [model.reply(ModelRequest.model_validate(request)).model_dump(mode="json") for request in requests]
print(json.dumps([replies, model.server.key]), flush=True)
threading.Event().wait()
"""


@pytest.mark.vllm
def test_an_adapter_says_the_same_through_vllm_which_ends_when_its_owner_is_killed(
    tiny_model: Path, tiny_adapter: Path
) -> None:
    if not os.environ.get(EXECUTABLE):
        pytest.skip(f"{EXECUTABLE} names no vLLM; `make test-vllm` builds one")
    (name, args), (ours, our_args) = vllm(tiny_model), hf(tiny_model)
    tools = toy.GROUND.servers[0].tools
    requests = [
        ModelRequest(messages=(System(content=toy.PROMPT), User(content=task.request)), tools=tools)
        for task in toy.TASKS
    ]
    asked = [request.model_dump(mode="json") for request in requests]
    told = json.dumps([name, {**args, "peft": str(tiny_adapter)}, asked])
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, told], stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    )
    with owner:
        assert owner.stdout is not None
        found, key = json.loads(owner.stdout.readline())
        engine = [pid for pid in knowing(key) if pid != owner.pid]
        assert len(engine) > 2, "an API server, an engine core and a worker"
        ends = [os.pidfd_open(pid) for pid in engine]
        owner.kill()
    for end in ends:
        assert select.select([end], [], [], 60)[0]
        os.close(end)
    assert knowing(key) == []
    with closing(load(ours, {**our_args, "peft": str(tiny_adapter)}, sampling=SAMPLING)) as model:
        adapted = [of_message(model.reply(request).message) for request in requests]
    with closing(load(ours, our_args, sampling=SAMPLING)) as model:
        assert [of_message(model.reply(request).message) for request in requests] != adapted
    assert [of_message(Reply.model_validate(reply).message) for reply in found] == adapted


def knowing(key: str) -> list[int]:
    """Processes that have the server's key in their environment: all that it started, wherever they hang now."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if key.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
