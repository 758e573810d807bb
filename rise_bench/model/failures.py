"""What a failed request to a chat endpoint means: try again, a fault, a mistake in the set-up, or the model's own doing."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import httpx2
import openai

from rise_bench.errors import ModelFault, RiseError, SetupError
from rise_bench.types import Assistant, Reply

__all__ = ["as_error", "is_unreachable", "own_doing", "pushes_back", "retry_after", "worth_retrying"]

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
_UNPARSED = "tool_use_failed"
"""Groq's code for a call that the model wrote and its server could not parse."""

_TEXT_CHARS = 300


def status_of(error: BaseException) -> int:
    """HTTP status; 0 where there was no answer."""
    return error.status_code if isinstance(error, openai.APIStatusError) else 0


def is_unreachable(error: BaseException) -> bool:
    """True where no connection could be made: refused, unknown host, no route."""
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    return isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol)


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
    if _UNPARSED in said:
        return Reply(message=Assistant(malformed=f"the endpoint could not parse the call: {said[:_TEXT_CHARS]}"))
    return None


def pushes_back(error: BaseException) -> bool:
    """True where the endpoint asks for fewer requests."""
    return status_of(error) in (429, 503)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the endpoint asks to wait (Retry-After as a number or a date), None where it does not."""
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
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
    if isinstance(error, TimeoutError | openai.APITimeoutError):
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
    said = server_text(error)
    if len(key) > 3:
        said = said.replace(key, "***")
    said = said[:_TEXT_CHARS]
    if not answered and (remedy := _setup_remedy(error, status, said, served)):
        what = "nobody answers" if is_unreachable(error) else f"HTTP {status}: {said}"
        return SetupError(what, where=url, remedy=remedy)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return ModelFault("no answer in time", where=url, remedy="raise timeout= in the model arguments")
    after = f" after {tries} tries" if tries > 1 else ""
    if status in (429, 503):
        return ModelFault(f"HTTP {status}{after}: {said}", where=url, remedy="run again with --retry-faults later")
    what = f"HTTP {status}{after}: {said}" if status else f"no usable answer{after}: {said}"
    return ModelFault(what, where=url, remedy="look into the endpoint's log; redo with --retry-faults")


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
    if not isinstance(error, openai.APIStatusError):
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) and error.__cause__ else error
        return _line(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)
    told: Any = error.body
    if isinstance(told, dict):
        told = told.get("error", told)
    if isinstance(told, dict):
        code, message = told.get("code") or told.get("type"), told.get("message") or told.get("detail")
        found = ": ".join(str(part) for part in (code, message) if part)
        return _line(found or str(told))
    return _line(str(told or error.response.text or error.message))


def _line(text: str) -> str:
    return " ".join(text[:5000].split())
