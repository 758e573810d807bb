"""Runs inside the sandbox: a MariaDB server, filled from an SQL file at the start, its content kept as a JSON file.

The JSON file maps each table to `{"columns": {name: type}, "rows": {primary key, else number: {column: text or null}}}`.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from rise_relay import serve

POLLS = 300
POLL_SECONDS = 0.05
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
QUERY, EXECUTE = 3, 23
"""First byte of the body of a packet that holds a query, or runs a prepared one."""

READS = re.compile(rb"\s*(SELECT|SHOW|DESC|DESCRIBE|EXPLAIN|SET(?!\s+STATEMENT)|USE)\b[^;]*(;\s*)?\Z", re.IGNORECASE)
"""One statement that changes nothing which is kept."""


def main() -> None:
    """Arguments: the programs mariadb-install-db, mariadbd, mariadb and mariadb-dump; port; database; SQL file; JSON file."""
    install, daemon, client, dump = sys.argv[1:5]
    port, database, script, file = int(sys.argv[5]), sys.argv[6], Path(sys.argv[7]), Path(sys.argv[8])
    folder = f"{tempfile.gettempdir()}/mysql"
    path = f"{folder}/socket"
    _run(
        [install, "--no-defaults", f"--datadir={folder}", "--auth-root-authentication-method=normal", "--skip-test-db"]
    )
    # No binary log, no performance schema, small pools: one user, a few tables.
    small = ["--skip-log-bin", "--performance-schema=OFF", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M"]
    where = [f"--datadir={folder}", f"--socket={path}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"]
    command = [daemon, "--no-defaults", *where, *small]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=_environment())
    talk = [client, "--no-defaults", f"--socket={path}", "--user=root"]
    _ready(talk)
    grants = f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4; CREATE USER user@localhost; "
    grants += f"GRANT ALL ON `{database}`.* TO user@localhost; {_clock()}"
    _run(talk, grants.encode())
    if script.is_file():
        _run([*talk, database], script.read_bytes())
    options = [
        "--xml",
        "--single-transaction",
        "--skip-lock-tables",
        "--order-by-primary",
        "--hex-blob",
        "--skip-comments",
    ]
    command = [dump, "--no-defaults", f"--socket={path}", "--user=root", *options, database]

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection

    def keep(asked: bytes) -> None:
        if writes(asked):
            _write(file, _content(_run(command)))

    _write(file, _content(_run(command)))
    serve(port, connect, keep)


def writes(asked: bytes) -> bool:
    """Whether what was asked may change something: packets, each with three bytes of length and one of number before it."""
    at = 0
    while at + 4 < len(asked):
        end = at + 4 + int.from_bytes(asked[at : at + 3], "little")
        kind, body, at = asked[at + 4], asked[at + 5 : end], end
        if kind == EXECUTE or (kind == QUERY and (end > len(asked) or not READS.match(body))):
            return True
    return False


def _environment() -> dict[str, str]:
    """Our environment without libfaketime, under which MariaDB waits for ever, and what is meant for the server of tools."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD" and not name.startswith("MYSQL_")}


def _clock() -> str:
    """The statement that lets NOW() of every session stand where the sandbox's clock stands, if it stands."""
    file = os.environ.get("FAKETIME_TIMESTAMP_FILE")
    if not file or Path(file).read_text(encoding="ascii").startswith("+"):
        return ""
    return f"SET GLOBAL init_connect = 'SET timestamp = {int(time.time())}';"


def _run(command: list[str], given: bytes = b"") -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, env=_environment(), check=False)
    if done.returncode:
        sys.exit(f"{Path(command[0]).name}: {(done.stderr or done.stdout).decode('utf-8', 'replace')[-500:]}")
    return done.stdout


def _ready(talk: list[str]) -> None:
    for _ in range(POLLS):
        done = subprocess.run([*talk, "-e", "SELECT 1"], capture_output=True, env=_environment(), check=False)
        if done.returncode == 0:
            return
        time.sleep(POLL_SECONDS)
    sys.exit("MariaDB did not start")


def _write(file: Path, content: dict[str, Any]) -> None:
    data = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode("utf-8")
    if not file.is_file() or file.read_bytes() != data:
        written = file.with_name(f".{file.name}.new")
        written.write_bytes(data)
        written.replace(file)


def _content(dump: bytes) -> dict[str, Any]:
    """The tables and views of a dump in XML."""
    tables: dict[str, Any] = {}
    keys: dict[str, list[str]] = {}
    for table in ElementTree.fromstring(dump).iter("table_structure"):
        name = table.attrib["name"]
        columns = {field.attrib["Field"]: _type(field) for field in table.iter("field")}
        keys[name] = [field.attrib["Field"] for field in table.iter("field") if field.get("Key") == "PRI"]
        tables[name] = {"columns": columns, "rows": {}}
    for table in ElementTree.fromstring(dump).iter("table_data"):
        name = table.attrib["name"]
        for number, row in enumerate(table.iter("row"), 1):
            values = {field.attrib["name"]: None if field.get(NIL) else field.text or "" for field in row}
            key = "/".join(str(values[column]) for column in keys[name]) or str(number)
            tables[name]["rows"][key] = values
    return tables


def _type(field: ElementTree.Element) -> str:
    """Type, default and the like of one column, in one line."""
    parts = [field.get("Type", ""), "" if field.get("Null") == "YES" else "not null", field.get("Key", "").lower()]
    default = field.get("Default")
    parts += ["" if default is None else f"default {default}", field.get("Extra", "")]
    return " ".join(part for part in parts if part)


if __name__ == "__main__":
    main()
