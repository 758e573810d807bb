"""Runs inside the sandbox: an MQTT broker (Mosquitto) on loopback that begins with the retained messages of a file."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

POLLS = 200
POLL_SECONDS = 0.05

BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {work}/
log_type error
log_type warning
"""


def main() -> None:
    """Arguments: the sandbox, the port and the path of Mosquitto.

    `topics.json` in the sandbox, topic to payload, is published as retained messages before the port opens.
    """
    root, port, mosquitto = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    work = root / ".mqtt"
    work.mkdir(exist_ok=True)
    topics = root / "topics.json"
    if topics.is_file():
        # The first broker keeps the messages on disk, on a port that nobody waits for; the second one has them.
        first = subprocess.Popen([mosquitto, "-c", _settings(work, port + 1)], stdin=subprocess.DEVNULL)
        _publish(_connected(port + 1), json.loads(topics.read_text(encoding="utf-8")))
        first.send_signal(signal.SIGTERM)
        first.wait()
    os.execv(mosquitto, [mosquitto, "-c", _settings(work, port)])


def _settings(work: Path, port: int) -> str:
    path = work / f"mosquitto-{port}.conf"
    path.write_text(BROKER.format(port=port, work=work), encoding="utf-8")
    return str(path)


def _connected(port: int) -> socket.socket:
    for _ in range(POLLS):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            select.select([], [], [], POLL_SECONDS)
    sys.exit("the broker did not start")


def _publish(connection: socket.socket, messages: dict[str, object]) -> None:
    """Publish each message as MQTT 3.1.1 wants it, retained and acknowledged."""
    with connection, connection.makefile("rb") as answers:
        connection.sendall(_packet(0x10, _text("MQTT") + b"\x04\x02\x00\x3c" + _text("setup")))
        answers.read(4)
        for number, (topic, payload) in enumerate(messages.items(), 1):
            data = payload if isinstance(payload, str) else json.dumps(payload)
            connection.sendall(_packet(0x33, _text(topic) + struct.pack(">H", number) + data.encode()))
            answers.read(4)
        connection.sendall(_packet(0xE0, b""))


def _packet(kind: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes([kind]) + bytes(length) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


if __name__ == "__main__":
    main()
