"""Variables of the user's environment reach the server and nothing else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ground_kit import call, odd_ground, odd_recipe, odd_task

from rise_bench.errors import SetupError
from rise_bench.ground.live import LiveGround
from rise_bench.ground.secrets import Redactor, from_user, secrets_of

KEY = "sk/live+4242"


def test_a_variable_is_filled_in_and_one_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = odd_recipe()
    monkeypatch.setenv("SHOP_KEY", KEY)
    monkeypatch.delenv("OTHER_KEY", raising=False)
    assert from_user(recipe, "Bearer ${SHOP_KEY}, $HOME {root}") == f"Bearer {KEY}, $HOME {{root}}"
    with pytest.raises(SetupError, match="needs OTHER_KEY, which is not set") as caught:
        from_user(recipe, "${OTHER_KEY}")
    assert caught.value.where == "odd"


def test_only_what_entries_ask_for_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    monkeypatch.setenv("UNASKED", "something else")
    assert secrets_of([odd_recipe(env={"KEY": "${SHOP_KEY}", "MODE": "test"}), odd_recipe()]) == {"SHOP_KEY": KEY}


@pytest.mark.parametrize("form", [KEY, "sk%2Flive%2B4242", base64.b64encode(KEY.encode()).decode()])
def test_a_secret_is_struck_out_in_every_form_and_place(form: str) -> None:
    redactor = Redactor({"SHOP_KEY": KEY})
    assert redactor.text(f"key={form}; 4242") == "key=[secret SHOP_KEY]; 4242"
    assert redactor.value({f"a {form}": [form, 1, None, {"b": form}]}) == {
        "a [secret SHOP_KEY]": ["[secret SHOP_KEY]", 1, None, {"b": "[secret SHOP_KEY]"}]
    }


def test_short_values_are_left_alone_and_without_secrets_nothing_changes() -> None:
    assert Redactor({"MODE": "on"}).text("on and on") == "on and on"
    assert Redactor({}).value({"a": "b"}) == {"a": "b"}


def test_a_secret_that_a_server_writes_is_not_in_the_state_that_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    recipe = odd_recipe(env={"KEY": "Bearer ${SHOP_KEY}"})
    source = LiveGround(odd_ground(recipe), Path(), recipes={"odd": recipe})
    try:
        session = source.open(odd_task())
        text = json.dumps({"key": KEY})
        session.call(call("write", path="settings.json", text=text), 30)
        state = session.end_state()
        session.close()
    finally:
        source.close()
    assert state is not None
    assert {change.path: change.after for change in state}["settings.json#/key"] == '"[secret SHOP_KEY]"'
    assert not any(KEY in change.model_dump_json() for change in state)
