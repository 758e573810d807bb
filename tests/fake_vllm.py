"""A program that stands where `vllm` stands: it takes `serve`, logs alike, forks a child, answers, and dies as told.

`install` writes it as an executable whose folder holds what it does (`behaviour.json`) and what happened to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

LOADING = """\
(APIServer pid=1) INFO 01-01 00:00:00 [model.py:1] Resolved architecture: FakeForCausalLM
(Worker pid=2) INFO 01-01 00:00:01 [runner.py:1] Starting to load model fake...
Loading safetensors checkpoint shards:   0% Completed | 0/2 [00:00<?, ?it/s]
Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<00:00, 9.9it/s]
Loading safetensors checkpoint shards: 100% Completed | 2/2 [00:00<00:00, 9.9it/s]
(EngineCore pid=2) INFO 01-01 00:00:02 [backends.py:1] Using cache directory for vLLM's torch.compile
(EngineCore pid=2) INFO 01-01 00:00:03 [core.py:1] init engine (profile, create kv cache, warmup model) took 1 s
"""


def install(folder: Path, **behaviour: Any) -> Path:
    """The executable, in a folder of its own.

    Args:
        behaviour: `fails`: lines that it logs, and ends; `hangs`: never answers; `dies_at`: numbers of the chat requests
            (counted over all its lives, from 1) at which it is killed; `stubborn`: its child outlives SIGTERM.
    """
    folder.mkdir(parents=True)
    (folder / "behaviour.json").write_text(json.dumps(behaviour), encoding="utf-8")
    program = folder / "vllm"
    program.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text(encoding='utf-8')}", encoding="utf-8")
    program.chmod(0o755)
    return program


def happened(program: Path, name: str) -> list[Any]:
    """What the program noted: `starts` (arguments and key), `pids` (its own and its child's), `requests` (bodies)."""
    path = program.parent / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def running(program: Path) -> list[int]:
    """Which of its processes, of all its lives, are still there."""
    return [pid for pids in happened(program, "pids") for pid in pids if _is_there(pid)]


def _is_there(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    served: str
    behaviour: Mapping[str, Any]
    lock = threading.Lock()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, {})
        elif self.path == "/version":
            self._answer(200, {"version": "0.0.fake"})
        elif self._allowed():
            self._answer(200, {"object": "list", "data": [{"id": self.served, "owned_by": "vllm", "root": "/fake"}]})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return
        with self.lock:
            note(self.folder, "requests", sent)
            number = len((self.folder / "requests.jsonl").read_text(encoding="utf-8").splitlines())
        if number in self.behaviour.get("dies_at", []):
            os.kill(os.getpid(), signal.SIGKILL)
        message = {"role": "assistant", "content": f"Answer {number}."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._answer(200, {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})

    def _allowed(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {os.environ['VLLM_API_KEY']}":
            return True
        self._answer(401, {"error": "Unauthorized"})
        return False

    def _answer(self, status: int, found: Any) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def note(folder: Path, name: str, what: Any) -> None:
    with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def log(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def main() -> None:
    folder, words = Path(__file__).parent, sys.argv[1:]
    behaviour = json.loads((folder / "behaviour.json").read_text(encoding="utf-8"))
    note(folder, "starts", {"words": words, "key": os.environ.get("VLLM_API_KEY", "")})
    child = subprocess.Popen(
        [sys.executable, "-ISc", STUBBORN if behaviour.get("stubborn") else "import time; time.sleep(600)"],
        start_new_session=bool(behaviour.get("stubborn")),
    )
    note(folder, "pids", [os.getpid(), child.pid])
    log(LOADING)
    if "fails" in behaviour:
        log("\n".join(behaviour["fails"]) + "\n")
        sys.exit(1)
    while behaviour.get("hangs"):
        time.sleep(600)
    _Handler.folder, _Handler.behaviour = folder, behaviour
    served = option(words, "--lora-modules").partition("=")[0] if "--lora-modules" in words else ""
    _Handler.served = served or option(words, "--served-model-name")
    ThreadingHTTPServer((option(words, "--host"), int(option(words, "--port"))), _Handler).serve_forever()


if __name__ == "__main__":
    main()
