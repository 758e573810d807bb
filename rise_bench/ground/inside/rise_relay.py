"""Runs inside the sandbox: stands between a server and its database, so that no reply arrives before the state is written.

The state of a sandbox is read as soon as a call has been answered; what a database holds must lie in a file by then.
"""

import contextlib
import socket
import threading
from collections.abc import Callable

CHUNK = 65536
"""Bytes that are passed on at a time."""

MOST = 1 << 20
"""Bytes of a question that are kept."""


class Question:
    """What was asked on a connection since the last answer, or rather its beginning."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._answered = False
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Note a part of it: the first one after an answer begins another."""
        with self._lock:
            if self._answered:
                self._text.clear()
                self._answered = False
            self._text += data[: MOST - len(self._text)]

    def answer(self) -> bytes:
        """Its text, as far as it is kept, now that an answer, or a part of one, has come."""
        with self._lock:
            self._answered = True
            return bytes(self._text)


def serve(port: int, connect: Callable[[], socket.socket], before: Callable[[bytes], None]) -> None:
    """Accept connections for ever and relay each to one of `connect`.

    Args:
        port: on the loopback interface.
        connect: opens a connection to the database.
        before: runs before a reply is passed on, with the first `MOST` bytes of what was asked; one at a time.
    """
    lock = threading.Lock()
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            database = connect()
            asked = Question()
            threading.Thread(target=_asks, args=(client, database, asked), daemon=True).start()
            threading.Thread(target=_answers, args=(database, client, asked, lock, before), daemon=True).start()


def _asks(client: socket.socket, database: socket.socket, asked: Question) -> None:
    while data := _received(client):
        asked.add(data)
        database.sendall(data)
    _end(database)


def _answers(
    database: socket.socket,
    client: socket.socket,
    asked: Question,
    lock: threading.Lock,
    before: Callable[[bytes], None],
) -> None:
    while data := _received(database):
        with lock:
            before(asked.answer())
        try:
            client.sendall(data)
        except OSError:
            break
    _end(client)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(CHUNK)
    except OSError:
        return b""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
