"""Runs inside the sandbox: tries one thing that the sandbox is to prevent, and prints what came of it as JSON."""

import json
import mmap
import os
import signal
import socket
import sys
import time
from pathlib import Path

MIB = 1 << 20
WAIT_SECONDS = 15.0


def outside(port: str, *paths: str) -> dict[str, object]:
    """Which of the paths can be read, whether the port of the host answers, and which variables are set."""
    seen = []
    for path in paths:
        try:
            with Path(path).open("rb"):
                seen.append(path)
        except OSError:
            continue
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
        network = True
    except OSError:
        network = False
    return {"seen": seen, "network": network, "variables": sorted(os.environ)}


def processes(most: str) -> dict[str, object]:
    """How many processes could be started, of so many wanted."""
    started = []
    try:
        for _ in range(int(most)):
            pid = os.fork()
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            started.append(pid)
    except OSError:
        pass
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    return {"started": len(started)}


def memory(most: str) -> dict[str, object]:
    """How many MiB this process could use alone, and whether it could hold so many for some seconds to be shared."""
    held = []
    try:
        for _ in range(int(most)):
            held += [b"x" * MIB]
    except MemoryError:
        pass
    say({"held": len(held)})
    held.clear()
    with mmap.mmap(-1, int(most) * MIB) as shared:
        for at in range(0, len(shared), MIB):
            shared[at : at + MIB] = b"x" * MIB
        time.sleep(WAIT_SECONDS)
    return {"shared": True}


def disk(file: str, most: str) -> dict[str, object]:
    """The largest file in MiB, and whether so many files of one MiB could be kept for some seconds."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = 0
    try:
        with Path("one").open("wb", buffering=0) as one:
            for _ in range(int(file)):
                size += one.write(b"x" * MIB)
    except OSError:
        pass
    Path("one").unlink()
    say({"file": size // MIB})
    for number in range(int(most)):
        Path(f"many{number}").write_bytes(b"x" * MIB)
    time.sleep(WAIT_SECONDS)
    return {"kept": True}


def say(found: dict[str, object]) -> None:
    """One line for whoever started this."""
    sys.stdout.write(f"{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say(globals()[sys.argv[1]](*sys.argv[2:]))
