"""The small web site that browser servers meet in their sandbox."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rise_bench.ground.inside import rise_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>Books</h1>", encoding="utf-8")
    with rise_site.server(0, str(tmp_path / "site")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def send(url: str, body: bytes, kind: str) -> str:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return str(answer.read().decode())


def submitted(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "submitted.jsonl").read_text(encoding="utf-8").splitlines()]


def test_serves_the_files_of_its_folder(site: str) -> None:
    with urllib.request.urlopen(f"{site}/?from=home") as answer:
        assert answer.read() == b"<h1>Books</h1>"


def test_keeps_what_a_form_sends_and_shows_it_escaped(site: str, tmp_path: Path) -> None:
    page = send(f"{site}/order", b"name=Marta+L&note=%3Cb%3E&size=1&size=2", "application/x-www-form-urlencoded")
    assert "<dd>Marta L</dd>" in page and "&lt;b&gt;" in page
    assert submitted(tmp_path) == [{"path": "/order", "fields": {"name": "Marta L", "note": "<b>", "size": ["1", "2"]}}]


def test_keeps_files_by_their_last_name_only(site: str, tmp_path: Path) -> None:
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    parts = [part.format("name", "", "Marta"), part.format("file", '; filename="../../list.txt"', "Kafka")]
    body = "".join(f"--x\r\n{text}" for text in parts) + "--x--\r\n"
    send(f"{site}/contact", body.encode(), "multipart/form-data; boundary=x")
    assert (tmp_path / "uploads" / "list.txt").read_text(encoding="utf-8") == "Kafka"
    assert submitted(tmp_path) == [{"path": "/contact", "fields": {"name": "Marta"}, "files": ["list.txt"]}]


def test_answers_json_with_json(site: str, tmp_path: Path) -> None:
    assert json.loads(send(f"{site}/board", b'{"event": "poetry"}', "application/json")) == {
        "received": {"event": "poetry"}
    }
    assert submitted(tmp_path) == [{"path": "/board", "fields": {"event": "poetry"}}]


@pytest.mark.parametrize(("body", "kind"), [(b"{", "application/json"), (b"x", "text/plain")])
def test_refuses_what_no_form_sends_and_keeps_nothing(site: str, tmp_path: Path, body: bytes, kind: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        send(f"{site}/order", body, kind)
    refused.value.close()
    assert refused.value.code == 400
    assert not (tmp_path / "submitted.jsonl").exists()
