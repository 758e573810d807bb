"""Runs inside the sandbox: a Redis server whose content is a JSON file of the sandbox, read at the start, kept up to date.

The file maps each key to `{"type": ..., "value": ..., "expires": seconds since 1970}`: a string; a list; a set as a sorted
list; a hash as an object; a sorted set as an object of scores; a stream as `{"entries": {id: fields}, "groups": {name: last
id}}`. Bytes that are no UTF-8 are lone surrogates (`surrogateescape`).
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rise_relay import serve

POLLS = 200
POLL_SECONDS = 0.05


class Redis:
    """As much of a client as reading and filling a database takes."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._reader = self._socket.makefile("rb")

    def call(self, *words: str) -> Any:
        """The reply to one command: text, number, list or None.

        Raises:
            ValueError: Redis refuses the command.
        """
        parts = [word.encode("utf-8", "surrogateescape") for word in words]
        asked = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), asked))
        return self._reply()

    def _reply(self) -> Any:
        line = self._reader.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise ValueError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            return self._reader.read(int(rest) + 2)[:-2].decode("utf-8", "surrogateescape")
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest.decode()


def main() -> None:
    """Arguments: the program, the port to serve on, the JSON file."""
    program, port, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folder = f"{tempfile.gettempdir()}/redis"
    Path(folder).mkdir()
    path = f"{folder}/socket"
    settings = ["--port", "0", "--unixsocket", path, "--dir", folder, "--save", "", "--appendonly", "no"]
    subprocess.Popen([program, *settings], stdin=subprocess.DEVNULL, stdout=sys.stderr, env=_environment())
    redis = Redis(_ready(path))
    kept = Kept(redis, file)

    def connect() -> socket.socket:
        database = socket.socket(socket.AF_UNIX)
        database.connect(path)
        return database

    serve(port, connect, lambda asked: kept.update())


def _environment() -> dict[str, str]:
    """Ours, with the C library's `malloc` before jemalloc's, which asks for the time while libfaketime is not ready yet."""
    preloaded = os.environ.get("LD_PRELOAD")
    return {**os.environ, **({"LD_PRELOAD": f"{preloaded} libc.so.6"} if preloaded else {})}


def _ready(path: str) -> str:
    for _ in range(POLLS):
        if Path(path).exists():
            return path
        time.sleep(POLL_SECONDS)
    sys.exit("Redis did not start")


class Kept:
    """The file and what Redis holds, made equal."""

    def __init__(self, redis: Redis, file: Path) -> None:
        self._redis = redis
        self._file = file
        self._was = file.read_bytes() if file.is_file() else None
        if self._was is not None:
            for key, entry in json.loads(self._was).items():
                _put(redis, key, entry)
        self._first = _content(redis)
        self._changes = self._count()

    def update(self) -> None:
        """Write the file anew if anything was written since; as it was at first where all is as at first."""
        changes = self._count()
        if changes == self._changes:
            return
        self._changes = changes
        content = _content(self._redis)
        if content == self._first and self._was is None:
            self._file.unlink(missing_ok=True)
            return
        same = content == self._first and self._was is not None
        data = self._was if same else json.dumps(content, indent=1, sort_keys=True).encode("ascii")
        written = self._file.with_name(f".{self._file.name}.new")
        written.write_bytes(data or b"")
        written.replace(self._file)

    def _count(self) -> str:
        """A number that every write moves: Redis counts them, as it never saves, and streams' groups besides."""
        lines = str(self._redis.call("INFO", "persistence")).splitlines()
        return next(line for line in lines if line.startswith("rdb_changes_since_last_save"))


def _content(redis: Redis) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in redis.call("KEYS", "*"):
        kind = redis.call("TYPE", key)
        entry: dict[str, Any] = {"type": kind, "value": _value(redis, key, kind)}
        expires = redis.call("EXPIRETIME", key)
        if expires > 0:
            entry["expires"] = expires
        found[key] = entry
    return found


def _value(redis: Redis, key: str, kind: str) -> Any:
    if kind == "string":
        return redis.call("GET", key)
    if kind == "list":
        return redis.call("LRANGE", key, "0", "-1")
    if kind == "set":
        return sorted(redis.call("SMEMBERS", key))
    if kind == "hash":
        return _pairs(redis.call("HGETALL", key))
    if kind == "zset":
        return {
            member: float(score) for member, score in _pairs(redis.call("ZRANGE", key, "0", "-1", "WITHSCORES")).items()
        }
    if kind == "stream":
        entries = {name: _pairs(fields) for name, fields in redis.call("XRANGE", key, "-", "+")}
        groups = [_pairs(group) for group in redis.call("XINFO", "GROUPS", key)]
        pending = {str(group["name"]): int(group["pending"]) for group in groups}
        last = {str(group["name"]): group["last-delivered-id"] for group in groups}
        return {"entries": entries, "groups": {name: {"last": last[name], "pending": pending[name]} for name in last}}
    return f"a {kind}"


def _pairs(flat: list[Any]) -> dict[str, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _put(redis: Redis, key: str, entry: dict[str, Any]) -> None:
    kind, value = entry["type"], entry["value"]
    if kind == "string":
        redis.call("SET", key, str(value))
    elif kind == "list":
        redis.call("RPUSH", key, *map(str, value))
    elif kind == "set":
        redis.call("SADD", key, *map(str, value))
    elif kind == "hash":
        redis.call("HSET", key, *(str(word) for pair in value.items() for word in pair))
    elif kind == "zset":
        redis.call("ZADD", key, *(str(word) for member, score in value.items() for word in (score, member)))
    elif kind == "stream":
        for name, fields in value.get("entries", {}).items():
            redis.call("XADD", key, name, *(str(word) for pair in fields.items() for word in pair))
        for name, group in value.get("groups", {}).items():
            redis.call("XGROUP", "CREATE", key, name, group["last"], "MKSTREAM")
    else:
        sys.exit(f"{key}: type {kind!r} is not one of string, list, set, hash, zset, stream")
    if "expires" in entry:
        redis.call("EXPIREAT", key, str(entry["expires"]))


if __name__ == "__main__":
    main()
