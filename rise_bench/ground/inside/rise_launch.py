"""Runs inside the sandbox: starts a server's loopback services, waits for their port, then becomes the server."""

import json
import os
import select
import socket
import subprocess
import sys

POLLS = 2400
POLL_SECONDS = 0.05


def main() -> None:
    """Arguments: services as a JSON list of command lines, the port as text, then the server's own command line."""
    services, port, command = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    for service in services:
        # A service must not write to the server's protocol stream; its complaints belong with the server's.
        subprocess.Popen(service, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    for _ in range(POLLS):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            select.select([], [], [], POLL_SECONDS)
    else:
        sys.exit(f"no service answered on port {port}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
