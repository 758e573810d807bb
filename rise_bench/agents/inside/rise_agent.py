"""Starts an agent program: sets its limits, gives its loopback port to the gateway's socket, then becomes the program."""

import ctypes
import os
import resource
import signal
import socket
import sys
import threading

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

CHUNK = 65536
BACKLOG = 128


def main() -> None:
    """Arguments: descriptor that takes news, memory and file size in bytes, processes, socket path or -, port, command."""
    news, memory, file_size, processes = map(int, sys.argv[1:5])
    path, port, command = sys.argv[5], int(sys.argv[6]), sys.argv[7:]
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if path != "-":
        _forward(path, port)
    # Not the address space: runtimes reserve much more of it than they use.
    for limit, wanted in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (wanted, wanted))
    os.set_inheritable(news, False)
    os.write(news, b"+")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(news, f"{command[0]}: {error.strerror}".encode())
        os._exit(127)


def _forward(path: str, port: int) -> None:
    """A child process that carries each connection to the port over to the socket."""
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    if os.fork():
        listener.close()
        return
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_carry, args=(near, path), daemon=True).start()


def _carry(near: socket.socket, path: str) -> None:
    with near, socket.socket(socket.AF_UNIX) as far:
        try:
            far.connect(path)
        except OSError:
            return
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Until the source ends or the target takes no more; the other direction goes on: an answer may be on its way."""
    try:
        while data := source.recv(CHUNK):
            target.sendall(data)
    except OSError:
        _shut(source, socket.SHUT_RD)
    _shut(target, socket.SHUT_WR)


def _shut(end: socket.socket, how: int) -> None:
    try:
        end.shutdown(how)
    except OSError:
        return  # it is closed already


if __name__ == "__main__":
    main()
