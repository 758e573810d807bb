"""Runs inside the sandbox: a small web site on loopback, read from a folder; what its forms send is kept in files."""

import email
import email.policy
import html
import http.server
import json
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Any

MAX_BODY = 5_000_000


class Site(http.server.SimpleHTTPRequestHandler):
    """GET serves files of the folder; POST adds a line to `submitted.jsonl` beside it, and files to `uploads/`."""

    server_version = "Site"
    sys_version = ""
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Keep what was sent, and answer with it: a page for a form, JSON for JSON."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.send_error(413)
            return
        path = urllib.parse.urlsplit(self.path).path
        kind = self.headers.get("Content-Type") or ""
        try:
            fields, files = parse(kind, self.rfile.read(length))
        except ValueError as error:
            self.send_error(400, explain=str(error))
            return
        self.keep(path, fields, files)
        if kind.startswith("application/json"):
            self.answer(201, "application/json", json.dumps({"received": fields}))
        else:
            self.answer(200, "text/html; charset=utf-8", page(fields, files))

    def keep(self, path: str, fields: dict[str, Any], files: dict[str, bytes]) -> None:
        """Add the submission to the files beside the site."""
        place = Path(self.directory).parent
        line = {"path": path, "fields": fields} | ({"files": sorted(files)} if files else {})
        with self.lock:
            with (place / "submitted.jsonl").open("a", encoding="utf-8") as submitted:
                submitted.write(json.dumps(line, ensure_ascii=False) + "\n")
            for name, data in files.items():
                (place / "uploads").mkdir(exist_ok=True)
                (place / "uploads" / name).write_bytes(data)

    def answer(self, status: int, kind: str, text: str) -> None:
        """Send a whole body."""
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def parse(kind: str, body: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Fields and files of a request's body.

    Raises:
        ValueError: it is not of the kind that it says, or of none that a form sends.
    """
    if kind.startswith("application/json"):
        value = json.loads(body)
        return (value if isinstance(value, dict) else {"value": value}), {}
    if kind.startswith("application/x-www-form-urlencoded"):
        pairs = urllib.parse.parse_qs(body.decode(), keep_blank_values=True)
        return {name: values[0] if len(values) == 1 else values for name, values in pairs.items()}, {}
    if not kind.startswith("multipart/form-data"):
        raise ValueError(f"cannot read {kind or 'a body without a type'}")
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    fields: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        name = Path(part.get_filename() or "").name
        if name not in ("", ".."):
            files[name] = data
        elif part.get_filename() is None:
            fields[str(part.get_param("name", "", "content-disposition"))] = data.decode()
    return fields, files


def page(fields: dict[str, Any], files: dict[str, bytes]) -> str:
    """What a form's sender sees."""
    rows = [f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>" for name, value in fields.items()]
    rows += [f"<dt>file</dt><dd>{html.escape(name)}, {len(data)} bytes</dd>" for name, data in files.items()]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Received</title><link rel="icon" href="data:,">'
    return f'{head}<h1>Received</h1><dl>{"".join(rows)}</dl><a href="/">Back</a></html>'


def server(port: int, folder: str) -> http.server.ThreadingHTTPServer:
    """The site on that port of loopback (0: any that is free), not serving yet; the folder is made if need be."""
    Path(folder).mkdir(parents=True, exist_ok=True)

    def handler(*args: Any) -> Site:
        return Site(*args, directory=folder)

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    server(int(sys.argv[1]), sys.argv[2]).serve_forever()
