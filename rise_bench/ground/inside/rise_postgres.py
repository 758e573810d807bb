"""Runs inside the sandbox: a PostgreSQL server, filled from an SQL file at the start, with a role that only reads.

Arguments: the port to serve on, the SQL file. The role is `reader`, the database `postgres`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

READER = (
    "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader; "
    "ALTER ROLE reader SET default_transaction_read_only = on; REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC;"
)


def main() -> None:
    """Make the cluster, fill it, become the server."""
    port, script = sys.argv[1], Path(sys.argv[2])
    folder = f"{tempfile.gettempdir()}/postgres"
    settings = ["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", f"unix_socket_directories={folder}"]
    settings += ["-c", "max_connections=10", "-c", "autovacuum=off", "-c", "timezone=UTC"]
    _run("initdb", "-D", folder, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8")
    _run(
        "pg_ctl", "-w", "-D", folder, "-l", f"{folder}/log", "-o", f"{' '.join(settings)} -c listen_addresses=", "start"
    )
    talk = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", folder, "-U", "postgres", "-d", "postgres"]
    if script.is_file():
        _run("psql", *talk, "-f", str(script))
    _run("psql", *talk, "-c", READER)
    _run("pg_ctl", "-w", "-D", folder, "-m", "fast", "stop")
    program = _program("postgres")
    os.execv(program, [program, "-D", folder, "-p", port, "-c", "listen_addresses=127.0.0.1", *settings])


def _program(name: str) -> str:
    """Debian keeps the programs of each version in a folder of their own, out of PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(places[-1]) if places else shutil.which(name)
    return found or sys.exit(f"no program {name}")


def _run(name: str, *words: str) -> None:
    # Not a pipe: the server that pg_ctl leaves behind would hold it open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [_program(name), *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        if done.returncode:
            output.seek(0)
            sys.exit(f"{name}: {output.read().decode('utf-8', 'replace')[-500:]}")


if __name__ == "__main__":
    main()
