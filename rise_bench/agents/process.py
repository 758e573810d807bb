"""An agent program as a process: started, listened to under a cap, ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["MAX_STDOUT", "Ended", "Process"]

MAX_STDOUT = 1_000_000
"""Bytes of standard output after which a program counts as flooding."""

TAIL = 4_000
"""Bytes of standard error that are kept."""

CHUNK = 65536
DRAIN_SECONDS = 2.0
"""How long the pipes of an ended program may stay open before what is in them no longer counts."""

NEWS = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `code` is negative where a signal ended it; `unstarted` says why it never ran."""

    code: int
    stdout: str
    stderr: str
    unstarted: str = ""


class Process:
    """One program, on the loop whose thread started it.

    Args:
        mark: text that stands in the environment of the program and of all it starts, to find what left its group by;
            empty inside bubblewrap, where the kernel ends everything with the first process.
        ended: takes how it ended, once, when it ended by itself or was killed.
        flooded: takes why it has to be killed, where it writes too much.
    """

    def __init__(self, mark: str, ended: Callable[[Ended], None], flooded: Callable[[str], None]) -> None:
        self._mark = mark
        self._ended = ended
        self._flooded = flooded
        self._process: subprocess.Popen[bytes] | None = None
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._news = -1
        self._over: asyncio.Task[None] | None = None

    async def start(
        self, command: Callable[[int], Sequence[str]], text: str, environment: Mapping[str, str], folder: Path
    ) -> None:
        """Start the words that `command` gives for the descriptor of the launcher's news.

        Args:
            command: from that descriptor to the command line.
            text: what is on standard input.
            environment: whole environment of the first process.
            folder: its working folder on this machine.

        Raises:
            OSError: it cannot be started.
        """
        self._news, news = os.pipe()
        try:
            with tempfile.TemporaryFile() as given:
                given.write(text.encode("utf-8", "replace"))
                given.seek(0)
                self._process = subprocess.Popen(
                    command(news),
                    bufsize=0,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=dict(environment),
                    cwd=folder,
                    start_new_session=True,
                    pass_fds=(news,),
                )
        except BaseException:
            os.close(self._news)
            raise
        finally:
            os.close(news)
        self._over = asyncio.create_task(self._follow(self._process))

    async def _follow(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        reading = [
            asyncio.create_task(self._read(process.stdout, self._take)),
            asyncio.create_task(self._read(process.stderr, self._keep_tail)),
        ]
        try:
            await _exit_of(process)
            _signal(process.pid)  # before it is reaped, while its number cannot be anybody else's
            code = process.wait()
            self._kill_marked()
            await asyncio.wait(reading, timeout=DRAIN_SECONDS)
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            if process.returncode is None:
                self.kill()
                process.wait()
            news = _news(self._news)
        unstarted = "" if news == "+" else news.removeprefix("+") or self._text(self._stderr) or f"exit status {code}"
        self._ended(Ended(code, self._text(self._stdout), self._text(self._stderr), unstarted))

    async def _read(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
        reader = asyncio.StreamReader(CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while data := await reader.read(CHUNK):
                take(data)
        finally:
            transport.close()

    def _take(self, data: bytes) -> None:
        if len(self._stdout) > MAX_STDOUT:
            return
        self._stdout += data
        if len(self._stdout) > MAX_STDOUT:
            self.kill()
            self._flooded(f"wrote more than {MAX_STDOUT} bytes to standard output")

    def _keep_tail(self, data: bytes) -> None:
        self._stderr += data
        del self._stderr[:-TAIL]

    @staticmethod
    def _text(data: bytearray) -> str:
        return data.decode("utf-8", "replace")

    def kill(self) -> None:
        """End it and all it started, at once; does nothing where it has ended."""
        if self._process is not None and self._process.returncode is None:
            _signal(self._process.pid)
            self._kill_marked()

    def _kill_marked(self) -> None:
        """What left the program's group and is still there."""
        if not self._mark:
            return
        mark = self._mark.encode()
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if mark in entry.read_bytes():
                    os.kill(int(entry.parent.name), signal.SIGKILL)

    async def wait(self) -> None:
        """Until it has ended and was reported."""
        if self._over is not None:
            await asyncio.wait([self._over])


async def _exit_of(process: subprocess.Popen[bytes]) -> None:
    """Return when the process has ended, whoever still holds its pipes."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    try:
        loop.add_reader(descriptor, over.set)
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _signal(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _news(descriptor: int) -> str:
    """What the launcher told; a program that was started closed it, so that nothing more can come."""
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, NEWS).decode("utf-8", "replace")
    except BlockingIOError:
        return ""
    finally:
        os.close(descriptor)
