"""A `vllm serve` of our own: started, watched while it loads, and gone when we are."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx2

from rise_bench.errors import SetupError
from rise_bench.model import watch
from rise_bench.plain import one_line

__all__ = ["EXECUTABLE", "Progress", "Server", "find_executable", "installed_version", "telling_line"]

EXECUTABLE = "RISE_BENCH_VLLM"
"""Environment variable that names the program."""

GRACE_SECONDS = 10.0
"""What a server that is told to end gets before it is killed."""

_POLL_SECONDS = 0.25
_TAIL_BYTES = 200_000


def find_executable(given: str) -> Path:
    """The `vllm` program: as given, as `RISE_BENCH_VLLM` says, else the one on PATH.

    Raises:
        SetupError: there is none.
    """
    named = given or os.environ.get(EXECUTABLE, "").strip()
    found = shutil.which(named or "vllm")
    if found is None:
        raise SetupError(
            f"no program {named!r}" if named else "no vllm program on PATH",
            where="vllm",
            remedy="install vLLM in an environment of its own (uv venv vllm-env && uv pip install -p vllm-env vllm), then "
            f"set {EXECUTABLE}=vllm-env/bin/vllm or give --model-args executable=...; or attach to a server by base_url=",
        )
    return Path(found).absolute()


def installed_version(executable: Path) -> str:
    """The version of vLLM in the program's environment, without starting it; empty where that cannot be told."""
    python = executable.parent / "python"
    code = "from importlib.metadata import version; print(version('vllm'))"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class Server:
    """One server process on a free port of the loopback address, under a watcher that ends it when this process ends.

    Only who knows the key, made up for this server and told to it by its environment, may use its `/v1` routes.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        name: str,
        log: Path | None,
        seconds: float,
        notice: Callable[[str], None],
    ) -> None:
        self.key = secrets.token_urlsafe(32)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.name = name
        self._command = [*command, "--host", "127.0.0.1", "--port", str(self.port)]
        self._environment = {**os.environ, **environment, "VLLM_API_KEY": self.key}
        self._drop_log = log is None
        self.log = log or Path(tempfile.mkdtemp(prefix="rise-bench-vllm-")) / "server.log"
        self._seconds = seconds
        self._notice = notice
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0
        self._interrupted = threading.Event()

    def start(self) -> None:
        """Start it, or start it again after it has ended, and wait until it answers.

        Raises:
            SetupError: it ended or did not get ready in time; the line says why, and where its log is.
        """
        self._end()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as file:
            self._begun = file.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", watch.__file__, str(GRACE_SECONDS), *self._command],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self._end()
            raise

    def _wait(self) -> None:
        began = time.monotonic()
        progress = Progress()
        self._notice(f"{self.name}: starting, log in {self.log}")
        offset = self._begun
        while True:
            ended, ready = not self.alive(), self.healthy()
            offset, text = self._read(offset)
            for line in progress.read(text):
                self._notice(f"{self.name}: {line}")
            if ended:
                raise self._failed("it ended while it was starting")
            if ready:
                self._notice(f"{self.name}: ready after {time.monotonic() - began:.0f} s")
                return
            if time.monotonic() - began > self._seconds:
                raise self._failed(f"not ready after {self._seconds:g} s; give it longer with start_seconds=")
            if self._interrupted.wait(_POLL_SECONDS):
                raise self._failed("it was closed while it was starting")

    def alive(self) -> bool:
        """Is its process there?"""
        return self._process is not None and self._process.poll() is None

    def ends_within(self, seconds: float) -> bool:
        """Does it end by itself in that time?"""
        try:
            if self._process is not None:
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def healthy(self) -> bool:
        """Does it answer, and say that its engine lives?"""
        try:
            return httpx2.get(f"{self.url}/health", timeout=5.0, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            return False

    def why_it_ended(self) -> str:
        """The last telling line of its log, and where that is: from now on it stays there."""
        self._drop_log = False
        line = telling_line(self._read(self._begun)[1])
        return f"{line}; log: {self.log}" if line else f"log: {self.log}"

    def _failed(self, what: str) -> SetupError:
        return SetupError(f"{what}: {self.why_it_ended()}", where=self.name, remedy="mend what the log says")

    def _read(self, offset: int) -> tuple[int, str]:
        """(new offset, what the log has gained since); of much only the end."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(offset, size - _TAIL_BYTES))
                return size, file.read(_TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            return offset, ""

    def interrupt(self) -> None:
        """Have a start that is waited for elsewhere given up."""
        self._interrupted.set()

    def close(self) -> None:
        """End it with all that it started. Its log stays where it was asked for or told of. Closing twice is harmless."""
        self._interrupted.set()
        self._end()
        if self._drop_log:
            shutil.rmtree(self.log.parent, ignore_errors=True)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # the watcher's sign
        try:
            process.wait(GRACE_SECONDS + 20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- the log ----------------------------------------------------------------------------------------------------------

_ENDS = re.compile(r"[\r\n]")
_SHARE = re.compile(r"(\d{1,3})%")
_STAGES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), stage)
    for pattern, stage in (
        (r"Fetching \d+ files|[Dd]ownload\w* .*%\|", "fetching files"),
        (r"Resolved architecture", "reading its configuration"),
        (r"Loading .*checkpoint shards", "loading weights"),
        (r"Starting to load model", "loading weights"),
        (r"torch\.compile (cache|takes)|for vLLM's torch\.compile|Dynamo bytecode|Compiling a graph", "compiling"),
        (r"Capturing CUDA graphs?", "capturing graphs"),
        (r"init engine \(", "engine is up"),
    )
)


class Progress:
    """What a server's log says of its start, as short lines: each stage once, and each tenth of a stage that counts."""

    def __init__(self) -> None:
        self._rest = ""
        self._told: set[str] = set()

    def read(self, text: str) -> Iterator[str]:
        """The lines that the text, a further piece of the log, gives rise to."""
        *lines, self._rest = _ENDS.split(self._rest + text)
        for line in lines:
            for pattern, stage in _STAGES:
                if pattern.search(line):
                    yield from self._tell(stage, _SHARE.search(line))
                    break

    def _tell(self, stage: str, share: re.Match[str] | None) -> Iterator[str]:
        line = f"{stage} {int(share[1]) // 10 * 10} %" if share else stage
        if line not in self._told:
            self._told.add(line)
            yield line


_PREFIX = re.compile(r"^(\(\w[^)]*pid=\d+\)\s*)?((INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ (\[[^\]]*\] ?)?)?")
_TELLING = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt): \S|\berror: \S|No space left|Killed")
_VAGUE = re.compile(
    r"See root cause above|Executor failed|WorkerProc initialization failed|Engine core proc|EngineDead"
)

_GOES_ON = re.compile(r"\d+ validation errors? for \w+$")
"""What is wrong stands in the line after it."""


def telling_line(log: str) -> str:
    """The line of a log that says best why a server ended: its last error that is not a mere echo of another; else its
    last line. Harmless to print, cut to 300 characters.
    """
    lines = [line for raw in _ENDS.split(log) if (line := _PREFIX.sub("", one_line(raw)).strip())]
    errors = [at for at, line in enumerate(lines) if _TELLING.search(line)]
    precise = [at for at in errors if not _VAGUE.search(lines[at])]
    if not lines:
        return ""
    at = (precise or errors or [len(lines) - 1])[-1]
    told = lines[at : at + 2] if _GOES_ON.search(lines[at]) else [lines[at]]
    return " ".join(told)[:300]
