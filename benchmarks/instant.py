"""An OpenAI-compatible endpoint that answers at once, in a process of its own: the tasks of `kit` done as their reference."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from rise_bench.ground.sandbox import VISIBLE_ROOT

__all__ = ["instant"]

_PROJECT = re.compile(rb"lines of project (\d+)")
_RESULT = re.compile(rb'"role": ?"tool"')
_MARK = "%PROJECT%"


def _answers() -> list[bytes]:
    """The answer to a history with so many results in it."""
    folder = f"{VISIBLE_ROOT}/project-{_MARK}"
    reads = [("read_text_file", {"path": f"{folder}/part-{number}.txt"}) for number in range(3)]
    write = ("write_file", {"path": f"{folder}/sum.txt", "content": f"{_MARK} lines"})
    calls = [("list_directory", {"path": folder}), *reads, write]
    messages = [_message(number, *call) for number, call in enumerate(calls)]
    messages.append({"role": "assistant", "content": "It has 30 lines."})
    return [_completion(message) for message in messages]


def _message(number: int, name: str, arguments: dict[str, str]) -> dict[str, object]:
    function = {"name": f"filesystem__{name}", "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": f"call_{number}", "type": "function", "function": function}],
    }


def _completion(message: dict[str, object]) -> bytes:
    finish = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}
    return json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


class _Peer(asyncio.Protocol):
    """HTTP as far as the clients measured speak it: requests with a content-length, one after the other."""

    answers: ClassVar[list[bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._held = bytearray()

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._held[:end]).lower()
            _, _, length = head.partition(b"content-length:")
            whole = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
            if len(self._held) < whole:
                return
            self._answer(bytes(self._held[end + 4 : whole]))
            del self._held[:whole]

    def _answer(self, asked: bytes) -> None:
        project = _PROJECT.search(asked)
        done = min(len(_RESULT.findall(asked)), len(self.answers) - 1)
        body = self.answers[done].replace(_MARK.encode(), project.group(1) if project else b"0")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        assert isinstance(self._transport, asyncio.WriteTransport)
        self._transport.write(head + body)


async def _serve() -> None:
    _Peer.answers = _answers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Peer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until whoever started it is gone


@contextmanager
def instant() -> Iterator[str]:
    """The base URL of an endpoint that runs as long as the block."""
    command = [sys.executable, "-m", "benchmarks.instant"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(peer.stdout.readline())}/v1"
        finally:
            peer.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve())
