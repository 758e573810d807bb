"""The other clauses: residue, order, extra and missing arguments, bindings, evidence, `no_call`; and golden verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from score_kit import GROUND, Did, attempt, call, label_names, static, task, values, verdicts, wrote
from test_score_dummies import BOOK, BOOK_20, BOOKED, BOOKED_20, BOOKING, DUMMIES

from rise_bench.score import VERSION, score
from rise_bench.score.calls import plainly_valid
from rise_bench.types import Assistant, Ground, Server, StateChange, Tool, ToolCall, ToolResult, Trajectory

GOLDEN = Path(__file__).parent / "golden" / "verdicts.json"


# --- residue


def test_a_change_by_nobodys_call_is_residue_and_one_by_an_assigned_call_is_not() -> None:
    log = wrote("log.txt", "x")
    assert values(BOOKING, attempt(BOOK, end=[BOOKED, log])) == (1, 0)
    both = Did("book", BOOK.arguments, "booked", changed=("days/19", "log.txt"))
    assert values(BOOKING, attempt(both, end=[BOOKED, log])) == (1, 1)


def test_the_label_of_a_residue_names_the_call_that_wrote_it_last() -> None:
    done = attempt(BOOK, Did("note", {"text": "x"}, changed=("n",)), end=[BOOKED, wrote("n", "x")])
    (label,) = verdicts(BOOKING, done)[1].labels
    assert (label.name, label.call, label.note, label.found) == ("unrequested_effect", 1, "n", "x")


def test_a_leaf_of_the_reference_that_another_call_spoils_is_residue() -> None:
    spoiled = attempt(BOOK, Did("note", {"text": "x"}, changed=("days/19",)), end=[wrote("days/19", "x")])
    assert values(BOOKING, spoiled) == (1, 0)


def test_a_free_leaf_may_hold_anything_and_must_be_there() -> None:
    about = task(
        call("note", text="hi"), intent={"free": [[0, "/text"]]}, reference_state=[wrote("n", "hi", match="any")]
    )
    note = Did("note", {"text": "hello"}, changed=("n",))
    assert values(about, attempt(note, end=[wrote("n", "hello")])) == (1, 1)
    assert not verdicts(about, attempt(note, end=[]))[1].details["outcome_equal"]
    assert not verdicts(about, attempt(note, end=[wrote("n", None, "hi")]))[1].details["outcome_equal"]


def test_a_leaf_that_a_critical_argument_wrote_is_compared_by_its_rule() -> None:
    about = task(
        call("note", text="Buy milk"),
        intent={"critical": [{"call": 0, "argument": "/text", "match": "text"}]},
        reference_state=[wrote("n", "Buy milk", match="text")],
    )
    for said, equal in (("buy milk!", True), ("buy wine", False)):
        done = attempt(Did("note", {"text": said}, changed=("n",)), end=[wrote("n", said)])
        assert verdicts(about, done)[1].details["outcome_equal"] is equal


def test_an_outcome_without_state_and_facts_is_equal_to_nothing() -> None:
    about = task(call("book", day="1"), intent={"critical": [{"call": 0, "argument": "/day"}]})
    assert values(about, attempt(Did("note", {"text": "x"}))) == (0, 0)
    assert values(about, attempt(Did("book", {"day": "2"}))) == (1, 0)
    assert values(about, attempt(Did("book", {"day": "1"}))) == (1, 1)


def test_without_a_recorded_reference_state_nothing_is_judged() -> None:
    assert values(task(call("look"), reference_state=None), attempt(Did("look", {}))) == (None, None)


# --- order, arguments


def test_a_write_made_twice_is_residue_whichever_of_the_two_is_assigned() -> None:
    about = task(
        call("look"),
        call("book", day="19"),
        intent={"critical": [{"call": 1, "argument": "/day"}]},
        reference_state=[wrote("t/1", "19")],
    )
    first, again = (Did("book", {"day": "19"}, changed=(f"t/{n}",)) for n in (1, 2))
    both = [wrote("t/1", "19"), wrote("t/2", "19")]
    for done in ((first, again), (Did("look", {}), first, again)):
        assert values(about, attempt(*done, end=both)) == (1, 0)
        assert label_names(about, attempt(*done, end=both)) == {"unrequested_effect"}
    assert values(about, attempt(first, Did("book", {"day": "19"}, changed=()), end=both[:1])) == (1, 1)


def test_a_value_that_nobody_called_critical_counts_where_the_outcome_is_another_for_it() -> None:
    critical = [{"call": 0, "argument": "/day", "match": "text"}]
    about = task(call("book", day="may", room="B"), intent={"critical": critical}, reference_state=[wrote("B", "may")])

    def booked(day: str, room: str, *end: StateChange) -> Trajectory:
        return attempt(Did("book", {"day": day, "room": room}, changed=tuple(one.path for one in end)), end=end)

    assert values(about, booked("May", "./B", wrote("B", "May"))) == (1, 1)
    elsewhere = booked("may", "C", wrote("C", "may"))
    assert values(about, elsewhere) == (1, 0)
    assert label_names(about, elsewhere) == {"wrong_value"}
    free = about.model_copy(update={"intent": about.intent.model_copy(update={"free": ((0, "/room"),)})})
    assert values(free, elsewhere) == (1, 1)


def test_right_calls_after_which_nothing_is_changed_are_not_aligned() -> None:
    about = task(
        call("book", day="19"),
        intent={"critical": [{"call": 0, "argument": "/day"}]},
        reference_state=[wrote("a", "19")],
    )
    done = attempt(Did("book", {"day": "19"}, changed=()))
    assert values(about, done) == (1, 0)
    assert label_names(about, done) == {"missing_step"}


def test_critical_parameters_of_an_attempt_that_visibly_failed_count_as_well() -> None:
    about = task(call("book", day="19"), intent={"critical": [{"call": 0, "argument": "/day"}]})
    details = verdicts(about, attempt(stop="max_turns"))[1].details
    assert (details["icp_total"], details["icp_matched"]) == (1, 0)


def test_an_order_edge_holds_only_where_the_task_names_it() -> None:
    reference = (call("drop", day="1"), call("book", day="2"))
    critical = [{"call": i, "argument": "/day"} for i in (0, 1)]
    backwards = attempt(
        Did("book", {"day": "2"}, changed=("b",)), Did("drop", {"day": "1"}, changed=("a",)), end=[wrote("a", "2")]
    )
    left = [wrote("a", "1")]
    assert values(task(*reference, intent={"critical": critical}, reference_state=left), backwards) == (1, 1)
    ordered = task(*reference, intent={"critical": critical, "after": [[0, 1]]}, reference_state=left)
    assert values(ordered, backwards) == (1, 0)
    assert label_names(ordered, backwards) == {"wrong_order"}


def _total(sent: dict[str, Any], **intent: Any) -> tuple[tuple[float | None, float | None], set[str]]:
    critical = [{"call": 0, "argument": "/path", "match": "path"}, *intent.pop("critical", [])]
    about = task(
        call("total", path="march", **intent.pop("reference", {})),
        intent={"critical": critical, **intent},
        answer=[{"value": 7, "type": "number"}],
    )
    done = attempt(Did("total", sent, "9 or so, 7 no"), say="It is 9.")
    return values(about, done), label_names(about, done) - {"missing_fact", "unsupported_claim"}


@pytest.mark.parametrize(
    ("sent", "labels"),
    [
        ({"path": "march"}, set()),
        ({"path": "./march/"}, set()),
        ({"path": "march", "unit": "EUR"}, set()),
        ({"path": "march", "since": None}, {"schema_violation"}),
        ({"path": "march", "unit": "USD"}, {"extra_argument"}),
        ({"path": "march", "since": "2026-01-01"}, {"extra_argument"}),
        ({"path": "march", "invented": 1}, {"extra_argument"}),
        ({"path": "may"}, {"wrong_value"}),
        ({"path": None}, {"wrong_value", "schema_violation"}),
        ({}, {"missing_argument", "schema_violation"}),
    ],
)
def test_arguments_are_judged_by_what_is_required_and_what_constrains(sent: dict[str, Any], labels: set[str]) -> None:
    assert _total(sent)[1] == labels


def test_a_free_argument_may_be_added_and_an_optional_one_left_out() -> None:
    assert _total({"path": "march", "since": "x"}, free=[[0, "/since"]])[1] == set()
    since = {"call": 0, "argument": "/since", "optional": True}
    assert _total({"path": "march"}, critical=[since], reference={"since": "x"})[1] == set()
    assert _total({"path": "march", "since": "y"}, critical=[since], reference={"since": "x"})[1] == {"wrong_value"}


def test_a_default_that_the_reference_states_may_be_left_to_the_server() -> None:
    unit = {"call": 0, "argument": "/unit"}
    assert _total({"path": "march"}, critical=[unit], reference={"unit": "EUR"})[1] == set()
    assert _total({"path": "march"}, critical=[unit], reference={"unit": "USD"})[1] == {"missing_argument"}


def test_another_accepted_value_is_as_good_and_an_argument_that_must_be_absent_is_no_wildcard() -> None:
    since = {"call": 0, "argument": "/since", "accept": ["y"]}
    assert _total({"path": "march", "since": "y"}, critical=[since], reference={"since": "x"})[1] == set()
    assert _total({"path": "march", "since": "z"}, critical=[{"call": 0, "argument": "/since"}])[1] == {
        "extra_argument"
    }


def test_what_is_put_beside_a_critical_part_inside_an_argument_is_an_extra_too() -> None:
    about = task(
        call("note", text="x", to={"name": "Ann", "list": [{"n": 1}]}),
        intent={"critical": [{"call": 0, "argument": p} for p in ("/to/name", "/to/list/0/n")]},
        reference_state=[wrote("n", "x")],
    )

    def labels(to: Any) -> set[str]:
        done = attempt(Did("note", {"text": "x", "to": to}, changed=("m",)), end=[wrote("m", "x")])
        return label_names(about, done)

    assert labels({"name": "Ann", "list": [{"n": 1}]}) == set()
    assert labels({"name": "Ann", "list": [{"n": 1}], "cc": "all"}) == {"extra_argument"}
    assert labels({"name": "Ann", "list": [{"n": 1}, {"n": 2}]}) == {"extra_argument"}
    assert labels({"name": "Bob", "list": [{"n": 1}]}) == {"wrong_value"}
    assert labels({"name": "Ann", "list": []}) == {"missing_argument"}


def test_keys_with_slashes_and_tildes_are_found() -> None:
    about = task(
        call("note", **{"a/b~c": "x"}),
        intent={"critical": [{"call": 0, "argument": "/a~1b~0c"}]},
        reference_state=[wrote("n", "x")],
    )
    for sent, names in (({"a/b~c": "x"}, set()), ({"a/b~c": "y"}, {"wrong_value"})):
        done = attempt(Did("note", sent, changed=("m",)), end=[wrote("m", "x")])
        assert label_names(about, done) - {"schema_violation"} == names


# --- bindings

CHAIN = task(
    call("look", path="{root}/a"),
    call("drop", day={"$ref": [0, "/ids/1"]}),
    recorded=[{"ids": ["i1", "i2"]}, None],
    intent={"critical": [{"call": 1, "argument": "/day"}]},
    reference_state=[wrote("d", None, "1")],
)


def _chain(day: Any, seen: str, about: Any = CHAIN) -> tuple[tuple[float | None, float | None], set[str]]:
    done = attempt(
        Did("look", {"path": "a"}, seen), Did("drop", {"day": day}, changed=("e",)), end=[wrote("e", None, "1")]
    )
    return values(about, done), label_names(about, done)


def test_a_binding_means_the_recorded_value_whatever_this_attempt_saw() -> None:
    assert _chain("i2", '{"ids": ["x", "y"]}')[0] == (1, 1)
    assert _chain("y", '{"ids": ["x", "y"]}') == ((1, 0), {"stale_reference"})


def test_a_volatile_leaf_means_this_attempts_own_value() -> None:
    volatile = CHAIN.model_copy(update={"volatile": ("result:0:/ids",)})
    assert _chain("y", '{"ids": ["x", "y"]}', volatile)[0] == (1, 1)
    assert _chain("x", '{"ids": ["x", "y"]}', volatile) == ((1, 0), {"stale_reference"})
    assert _chain("i2", '{"ids": ["x", "y"]}', volatile) == ((1, 0), {"stale_reference"})
    assert _chain("i2", '{"ids": []}', volatile)[0] == (1, 0)
    whole = CHAIN.model_copy(update={"volatile": ("result:0:",)})
    assert _chain("y", '{"ids": ["x", "y"]}', whole)[0] == (1, 1)


def test_a_volatile_binding_whose_producer_was_not_called_matches_nothing() -> None:
    volatile = CHAIN.model_copy(update={"volatile": ("result:0:/ids/1",)})
    for day in ("i2", "", None):
        done = attempt(Did("drop", {"day": day}, changed=("e",)), end=[wrote("e", None, "1")])
        assert values(volatile, done)[1] == 0


def test_a_binding_belongs_to_its_own_argument_only() -> None:
    # "/day" is bound, "/d" is not: a wrong value there is no stale reference
    about = task(
        call("look"),
        call("drop", d="x", day={"$ref": [0, ""]}),
        recorded=["i1", None],
        intent={"critical": [{"call": 1, "argument": "/d"}]},
        reference_state=[wrote("d", None, "1")],
    )
    done = attempt(Did("drop", {"d": "y", "day": "i1"}, changed=("e",)), end=[wrote("e", None, "1")])
    assert label_names(about, done) == {"wrong_value"}


def test_a_root_in_the_reference_is_the_sandbox_as_the_agent_saw_it() -> None:
    about = task(
        call("note", text="{root}/a.txt"),
        intent={"critical": [{"call": 0, "argument": "/text"}]},
        reference_state=[wrote("n", "x")],
    )
    for said, expected in (("/box/a.txt", (1, 1)), ("/other/a.txt", (1, 0))):
        done = attempt(Did("note", {"text": said}, changed=("m",)), end=[wrote("m", "x")], root="/box")
        assert values(about, done) == expected


# --- evidence


def test_in_a_log_unassigned_writes_are_residue_and_reads_and_failures_are_not() -> None:
    def log(*more: Did) -> tuple[float | None, float | None]:
        return values(BOOKING, attempt(BOOK, *more, mode="log"))

    assert log() == (1, 1)
    assert log(Did("look", {})) == (1, 1)
    assert log(Did("note", {"text": "x"}, "Error: full")) == (1, 1)
    assert log(Did("note", {"text": "x"})) == (1, 0)
    assert log(BOOK) == (1, 0)
    assert values(BOOKING, attempt(BOOK_20, mode="log")) == (1, 0)


def test_in_a_log_any_assistant_text_may_state_a_fact() -> None:
    about, _, _ = DUMMIES["oracle, answer"]
    messages = (
        Assistant(tool_calls=(ToolCall(id="1", tool="s.total", arguments={"path": "march"}),)),
        ToolResult(call_id="1", content="7 invoices"),
        Assistant(content="There are 7 invoices."),
        Assistant(content="Bye!"),
    )
    for mode, expected in (("log", (1, 1)), ("live", (0, 0))):
        done = Trajectory.model_validate(
            {"task": "t", "mode": mode, "messages": messages, "end_state": () if mode == "live" else None}
        )
        assert values(about, done) == expected


def test_an_unexecuted_call_succeeds_iff_it_is_schema_valid_and_any_call_beyond_fails() -> None:
    assert values(BOOKING, static(BOOK)) == (1, 1)
    assert values(BOOKING, static(BOOK_20)) == (1, 0)
    assert values(BOOKING, static(Did("book", {"day": 19, "room": "B"}))) == (0, 0)
    assert values(BOOKING, static(BOOK, Did("look", {}))) == (1, 0)
    assert values(BOOKING, static()) == (0, 0)
    assert values(BOOKING, static(say="Done!")) == (0, 0)
    assert values(BOOKING, static(Did("unheard_of", {"day": "2026-01-19", "room": "B"}))) == (0, 0)


def test_every_verdict_says_what_it_rests_on() -> None:
    kinds = {"state": attempt(BOOK, end=[BOOKED]), "calls": attempt(BOOK, mode="log"), "none": static(BOOK)}
    for evidence, done in kinds.items():
        assert {verdict.evidence for verdict in verdicts(BOOKING, done)} == {evidence}
        assert {(verdict.version, verdict.ground) for verdict in verdicts(BOOKING, done)} == {
            (VERSION, GROUND.digest())
        }


@pytest.mark.parametrize(
    ("done", "value"),
    [
        (static(say="None of these functions helps."), 1),
        (static(say="[]"), 1),
        (static(), 0),
        (static(say="Error during inference"), 0),
        (static(Did("look", {})), 0),
        (static(Did("unheard_of", "garbage")), 0),
    ],
)
def test_abstention_is_prose_or_an_empty_list_and_no_call_of_any_kind(done: Trajectory, value: int) -> None:
    assert values(task(kind="no_call"), done) == (value, value)


def test_an_id_that_a_model_uses_again_in_a_later_turn_keeps_its_own_result() -> None:
    first = Did("total", {"path": "march"}, "Error: busy", id="call_0")
    second = Did("total", {"path": "march"}, "7 invoices", id="call_0")
    about, _, _ = DUMMIES["oracle, answer"]
    assert values(about, attempt(first, second, say="7 invoices.")) == (1, 1)
    assert values(about, attempt(second, first, say="7 invoices.")) == (1, 1)
    assert values(about, attempt((second, first), say="7 invoices.")) == (1, 1)
    assert values(about, attempt((first, first), say="7 invoices.")) == (0, 0)


schemas: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", ["string"]]),
            "enum": st.lists(st.sampled_from(["a", 1, True, 1.0, None]), min_size=1, max_size=3),
            "properties": st.dictionaries(st.sampled_from("ab"), schemas, max_size=2),
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
            "items": schemas | st.booleans(),
            "additionalProperties": schemas | st.booleans(),
            "minimum": st.just(2),
        },
    )
)
instances = st.recursive(
    st.sampled_from(["a", "b", 0, 1, 1.0, 2.5, True, False, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@given(schema=schemas, value=instances)
def test_what_is_plainly_valid_is_valid_for_jsonschema(schema: Any, value: Any) -> None:
    assert not plainly_valid(schema, value) or Draft202012Validator(schema).is_valid(value)


def test_a_plain_call_is_plainly_valid() -> None:
    parameters = next(tool.parameters for tool in GROUND.servers[0].tools if tool.name == "book")
    assert plainly_valid(parameters, {"day": "x", "seats": 1.5, "more": None})
    assert not plainly_valid(parameters, {"room": "x"})
    assert not plainly_valid(parameters, {"day": 1})


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "float"},
        {"$ref": "http://nowhere.invalid/x"},
        {"$ref": "#/nowhere"},
        {"properties": []},
        {"type": "object", "properties": {"day": {"pattern": "("}}},
    ],
)
def test_a_contract_that_cannot_be_read_refuses_nothing_and_fetches_nothing(parameters: dict[str, Any]) -> None:
    tool = Tool(server="s", name="book", parameters=parameters, effect="write")
    ground = Ground(name="broken", servers=(Server(name="s", tools=(tool,)),))
    assert [verdict.value for verdict in score(BOOKING, static(BOOK), ground)] == [1, 1]


# --- golden

NAMED = [
    "oracle, effect", "oracle, answer", "silent on an effect", "one critical parameter mutated: the 20th for the 19th",
    "sibling tool", "sprayer of effects", "sprayer of answers", "aborted with the right words", "broken ground",
    "different path, same outcome", "an unasked write that stays", "right calls, wrong fact", "one call doing double duty",
    "harmless reading and one repaired schema error", "asks where asking is right", "asks after acting",
    "declines where declining is right", "claims to have done what cannot be done",
]  # fmt: skip


def test_verdicts_are_those_of_the_golden_file_unless_the_scorers_version_changes() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = {name: [v.model_dump(mode="json") for v in verdicts(*DUMMIES[name][:2])] for name in NAMED}
    assert golden["version"] == VERSION, "a new scorer version needs a new golden file: say in CHANGELOG what changed"
    assert found == golden["verdicts"]


def test_scoring_twice_gives_the_same_verdicts() -> None:
    done = attempt(BOOK, BOOK_20, end=[BOOKED, BOOKED_20])
    assert verdicts(BOOKING, done) == verdicts(BOOKING, done)
