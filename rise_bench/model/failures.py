"""What a failed request to a chat endpoint means: try again, a fault, a mistake in the set-up, or the model's own doing."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from rise_bench.errors import ModelFault, RiseError, SetupError
from rise_bench.types import Assistant, Reply

__all__ = [
    "Refused",
    "as_error",
    "is_unreachable",
    "own_doing",
    "pushes_back",
    "refusal_in",
    "retry_after",
    "status_of",
    "told",
    "unread_call",
    "worth_retrying",
]

MAX_PAUSE = 120.0
"""Seconds. An endpoint that asks for a longer silence is treated as down."""

_OVERFLOW = (
    "context_length_exceeded",
    "context length",
    "context window",
    "context size",
    "maximum context",
    "max_model_len",
    "maximum model length",
    "prompt is too long",
    "input is too long",
    "reduce the length",
)
_FILTERED = ("content_filter", "content_policy_violation", "content management policy")
_UNPARSED = ("tool_use_failed", "could not parse region")
"""How Groq and `transformers serve` (the latter in streams only) say that they cannot parse a call that the model wrote."""

_TEXT_CHARS = 300


class Refused(Exception):
    """An answer with an error status: what the server said, and its headers."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.text = body.decode("utf-8", errors="replace")

    @property
    def told(self) -> Any:
        """The body as JSON, else as text."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return self.text


def refusal_in(found: Any) -> Refused | None:
    """The refusal that some gateways and engines send under HTTP 200: an error with a status of its own, and no answer.

    One that says that the model's call could not be parsed has no status, and needs none.
    """
    if not isinstance(found, dict) or found.get("choices"):
        return None
    error = found if "error" in (found.get("object"), found.get("type")) else found.get("error")
    if (unread := unread_call(json.dumps(error, ensure_ascii=False))) is not None:
        return unread
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, bool) or not isinstance(code, int) or not 400 <= code <= 599:
        return None
    return Refused(code, {}, json.dumps(error).encode())


def unread_call(said: str) -> Refused | None:
    """The refusal that an error amounts to which says that the model's call could not be parsed; it has no status."""
    found = any(words in said for words in _UNPARSED)
    return Refused(400, {}, json.dumps({"error": said}).encode()) if found else None


def status_of(error: BaseException) -> int:
    """HTTP status; 0 where there was no answer."""
    return error.status if isinstance(error, Refused) else 0


def is_unreachable(error: BaseException) -> bool:
    """True where no connection could be made: refused, unknown host, no route."""
    return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol)


def is_late(error: BaseException) -> bool:
    """True where no answer came in time."""
    return isinstance(error, TimeoutError | httpx2.TimeoutException)


def is_overflow(error: BaseException) -> bool:
    """True where the history is longer than the model can read, as the common servers say it."""
    if status_of(error) not in (400, 413, 422):
        return False
    said = server_text(error).casefold()
    return any(words in said for words in _OVERFLOW)


def own_doing(error: BaseException) -> Reply | None:
    """The reply that a refusal amounts to where the history's length or the model's words brought it about, else None."""
    if is_overflow(error):
        return Reply(message=Assistant(), stop="context_overflow")
    if status_of(error) != 400:
        return None
    said = server_text(error)
    if any(words in said.casefold() for words in _FILTERED):
        return Reply(message=Assistant(), stop="content_filter")
    if any(words in said for words in _UNPARSED):
        return Reply(message=Assistant(malformed=f"the endpoint could not parse the call: {said[:_TEXT_CHARS]}"))
    return None


def pushes_back(error: BaseException) -> bool:
    """True where the endpoint asks for fewer requests."""
    return status_of(error) in (429, 503)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the endpoint asks to wait (Retry-After as a number or a date), None where it does not."""
    if not isinstance(error, Refused):
        return None
    headers = error.headers
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        asked = headers.get("retry-after", "").strip()
        if not asked:
            return None
        if asked[0].isdigit():
            return max(0.0, float(asked))
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def worth_retrying(error: BaseException, *, attempt: int, retries: int, answered: bool) -> bool:
    """True where the same request may fare better: push-back, 5xx, a broken connection, once after a time-out."""
    if attempt >= retries or (retry_after(error) or 0.0) > MAX_PAUSE:
        return False
    if is_late(error):
        return attempt == 0
    if is_unreachable(error):
        return answered
    status = status_of(error)
    if status == 429:
        return "insufficient_quota" not in server_text(error)
    return status in (0, 408, 409) or status >= 500


def as_error(error: BaseException, *, url: str, served: str, tries: int, answered: bool, key: str) -> RiseError:
    """The error to raise: `SetupError` for what a user must put right before the first answer, else `ModelFault`.

    The key is struck out of what the server said.
    """
    status = status_of(error)
    said = told(error, key)
    if not answered and (remedy := _setup_remedy(error, status, said, served)):
        what = "nobody answers" if is_unreachable(error) else f"HTTP {status}: {said}"
        return SetupError(what, where=url, remedy=remedy)
    if is_late(error):
        return ModelFault("no answer in time", where=url, remedy="raise timeout= in the model arguments")
    after = f" after {tries} tries" if tries > 1 else ""
    if status in (429, 503):
        return ModelFault(f"HTTP {status}{after}: {said}", where=url, remedy="run again with --retry-faults later")
    what = f"HTTP {status}{after}: {said}" if status else f"no usable answer{after}: {said}"
    return ModelFault(what, where=url, remedy="look into the endpoint's log; redo with --retry-faults")


def told(error: BaseException, key: str) -> str:
    """What went wrong, in the server's words where it gave any, cut short and without the key."""
    said = server_text(error)
    if len(key) > 3:
        said = said.replace(key, "***")
    return said[:_TEXT_CHARS]


def _setup_remedy(error: BaseException, status: int, said: str, served: str) -> str:
    """What to do about a mistake in the set-up; empty where it is none."""
    if is_unreachable(error):
        return "start the server, or correct base_url= in the model arguments"
    if status == 401:
        return "set the key's environment variable (OPENAI_API_KEY, or the one named by api_key_env=)"
    if status == 403:
        return "use a key that may use this model"
    if status == 404 or "model_not_found" in said:
        return f"check base_url= (it mostly ends in /v1) and that the endpoint serves {served!r}"
    if status == 429 and "insufficient_quota" in said:
        return "the account has no credit left"
    return ""


def server_text(error: BaseException) -> str:
    """What the server said, on one line: its code and message where it gave them."""
    if not isinstance(error, Refused):
        return _line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    told = error.told
    if isinstance(told, dict):
        told = told.get("error", told)
    if isinstance(told, dict):
        code, message = told.get("code") or told.get("type"), told.get("message") or told.get("detail")
        found = ": ".join(str(part) for part in (code, message) if part)
        return _line(found or str(told))
    return _line(str(told or error))


def _line(text: str) -> str:
    return " ".join(text[:5000].split())
