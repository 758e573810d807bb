"""An MCP server on standard input and output that passes every message on to the gateway, for clients that start one."""

import http.client
import json
import os
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

INTERNAL_ERROR = -32603


class Bridge:
    """Lines of JSON-RPC to POST requests, each in a thread of its own: a call may wait, others go on."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._version = ""
        self._writing = threading.Lock()

    def run(self) -> None:
        """Until standard input ends and what was asked is answered."""
        open_requests: list[threading.Thread] = []
        for line in sys.stdin.buffer:
            if not line.strip():
                continue
            if b'"initialize"' in line:
                self._pass(line)  # what follows needs the version that it settles
                continue
            thread = threading.Thread(target=self._pass, args=(line,), daemon=True)
            thread.start()
            open_requests = [*(other for other in open_requests if other.is_alive()), thread]
        for thread in open_requests:
            thread.join()

    def _pass(self, line: bytes) -> None:
        try:
            answer = self._post(line)
        except (OSError, http.client.HTTPException) as error:
            answer = _error(line, f"the gateway does not answer: {error}")
        if not answer.strip():
            return
        self._learn(answer)
        with self._writing:
            sys.stdout.buffer.write(answer.replace(b"\n", b" ") + b"\n")
            sys.stdout.buffer.flush()

    def _post(self, line: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self._version:
            headers["MCP-Protocol-Version"] = self._version
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port)
        try:
            connection.request("POST", self._url.path, body=line, headers=headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status >= 400 and not body.lstrip().startswith(b"{"):
            return _error(line, f"the gateway refused: HTTP {response.status}")
        return body

    def _learn(self, answer: bytes) -> None:
        if not self._version and b'"protocolVersion"' in answer:
            self._version = str(_object(_object(answer).get("result")).get("protocolVersion") or "")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, bytes):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _error(line: bytes, why: str) -> bytes:
    """The error that answers a request; empty for what asks for no answer."""
    identity = _object(line).get("id")
    if identity is None:
        return b""
    error = {"code": INTERNAL_ERROR, "message": why}
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode()


if __name__ == "__main__":
    Bridge(os.environ["RISE_MCP_URL"]).run()
