"""What must not be written is told from what may, by how it looks alone."""

from __future__ import annotations

import pytest

from rise_bench.ground.hiding import Hidden, is_secret


@pytest.mark.parametrize(
    "value",
    [
        "mongodb+srv://me:pw@host/db",
        "postgresql+psycopg2://me:pw@host/db",
        "redis://:pw@host:6379/0",
        "Server=host;Database=db;User Id=me;Password=pw;",
        "host=db.example.org user=me password=pw",
        "host=h pwd = pw",
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=abc==",
        "https://hooks.slack.com/services/T0123456/B0123456/AbCdEfGh1jKlMn0pQrStUvWx",
        "https://discord.com/api/webhooks/123456789012345678/aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bD1fH3jL5nP7rT9vX1zB3dF5hJ7lN9pR1tV3x-_",
        "https://api.telegram.org/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/send",
        "https://mcp.example.org/s/9f8e7d6c5b4a3f2e1d0c/mcp",
        "https://example.org/mcp?api_key=abc",
        "0123456789abcdef0123456789abcdef",
        "550e8400-e29b-41d4-a716-446655440000",
        "7Xk2-abcd1234/efgh5678/ijkl9012+mnop3456==",
    ],
)
def test_a_secret_is_told_by_its_look(value: str) -> None:
    assert is_secret("ANYTHING", value)


@pytest.mark.parametrize(
    "value",
    [
        "/home/me/a/very/long/path/to/data/2026/file.db",
        "reports/2026/quarter-1/summary-of-the-first-quarter",
        "https://example.org/mcp",
        "http://localhost:8000/mcp",
        "https://example.org/blog/2026/how-to-write-a-server-in-10-lines",
        "https://example.org/server_v2_for_the_2026_edition",
        "https://huggingface.co/mistralai/Mistral-7B-Instruct-v0.3",
        "postgresql://me@host/db",
        "host=h user=me dbname=shop",
        "anthropic/claude-sonnet-4-5-20250929",
        "sentence-transformers/all-MiniLM-L6-v2",
        "meta-llama/Llama-3.1-70B-Instruct",
        "1.2.3-beta.4+build.5",
        "2026-11-23T10:00:00+00:00",
        "en_US.UTF-8",
    ],
)
def test_what_is_none_stays(value: str) -> None:
    assert not is_secret("ANYTHING", value)


def test_a_key_in_the_path_of_an_address_becomes_a_variable() -> None:
    hidden = Hidden("one", {})
    address = hidden.address("https://hooks.slack.com/services/T0123456/B0123456/AbCdEfGh1jKlMn0pQrStUvWx?v=2")
    assert address == "https://hooks.slack.com/services/T0123456/B0123456/${ONE_PATH}?v=2"
    assert hidden.values == {"ONE_PATH": "AbCdEfGh1jKlMn0pQrStUvWx"}


def test_a_variable_that_the_user_has_with_another_value_is_not_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the real one")
    monkeypatch.setenv("SHOP_OPENAI_API_KEY", "of another shop")
    assert Hidden("one", {}).setting("OPENAI_API_KEY", "your-key-here") == "${ONE_OPENAI_API_KEY}"
    assert Hidden("shop", {}).setting("OPENAI_API_KEY", "your-key-here") == "${SHOP_OPENAI_API_KEY_2}"
    assert Hidden("one", {}).setting("OPENAI_API_KEY", "the real one") == "${OPENAI_API_KEY}"


def test_two_secrets_of_one_server_are_two_variables() -> None:
    hidden = Hidden("one", {})
    assert hidden.setting("A-KEY", "first") != hidden.setting("A_KEY", "second")
    assert sorted(hidden.values.values()) == ["first", "second"]
