"""Chains that people propose: what is read from files, what is refused, what is asked for, which primitives come of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rise_bench.errors import InputError
from rise_bench.synth.chains.by_hand import ProposedChain, asked_facts, load_proposed, primitives_of
from rise_bench.synth.records import Chain, World
from rise_bench.types import Call, Fact, StateChange, Tool

SEEN = World(setup="w1", now="2026-04-02T09:00:00Z", servers=("files", "shop"))
UNSEEN = World(setup="w1", now="2026-04-02T09:00:00Z", servers=("files", "ledger"))
TOOLS = {
    "files.list": Tool(server="files", name="list", effect="read"),
    "files.read": Tool(server="files", name="read", effect="read"),
    "files.write": Tool(server="files", name="write", effect="write"),
}
LIST = {"tool": "files.list", "arguments": {}}
READ = {"tool": "files.read", "arguments": {"path": {"$ref": [0, "/names/1"]}}}


def write(folder: Path, *chains: object, setup: str = "w1") -> Path:
    (folder / "w1.yaml").write_text(yaml.safe_dump({"setup": setup, "chains": list(chains)}), encoding="utf-8")
    return folder


def test_a_chain_is_bound_by_its_references(tmp_path: Path) -> None:
    ((chain, proposed),) = load_proposed(write(tmp_path, {"calls": [LIST, READ], "ask": [12]}), [SEEN]).values()
    assert chain.world == SEEN
    assert [(edge.producer, edge.pointer, edge.consumer, edge.argument) for edge in chain.edges] == [
        (0, "/names/1", 1, "/path")
    ]
    assert chain.shape == "serial"
    assert proposed.ask == (12,)


def test_it_runs_in_the_first_world_that_has_all_its_servers(tmp_path: Path) -> None:
    add = {"tool": "ledger.add", "arguments": {}}
    found = load_proposed(write(tmp_path, {"calls": [LIST]}, {"calls": [LIST, add]}), [SEEN, UNSEEN])
    assert [chain.world for chain, _ in found.values()] == [SEEN, UNSEEN]


@pytest.mark.parametrize(
    ("chains", "said"),
    [
        ([{"calls": []}], "calls: Tuple should have at least 1 item"),
        ([{"call": [LIST]}], "calls: Field required"),
        ([{"calls": [LIST], "ask": [{"value": 3, "type": "number", "about": [False]}]}], "ask.0: about.0: "),
        ([{"calls": [READ, LIST]}], "call 0 cannot rest on call 0"),
        ([{"calls": [LIST, LIST], "after": [[1, 0]]}], "call 0 cannot rest on call 1"),
        ([{"calls": [LIST]}, {"calls": [LIST]}], "stands there twice"),
        ([{"calls": [{"tool": "mail.send", "arguments": {}}]}], "no world 'w1' with the servers mail"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, chains: list[object], said: str) -> None:
    with pytest.raises(InputError) as error:
        load_proposed(write(tmp_path, *chains), [SEEN, UNSEEN])
    assert said in error.value.what
    assert "w1.yaml [" in error.value.where
    assert "\n" not in str(error.value)


def ran(*calls: Call, recorded: tuple[object, ...], state: tuple[StateChange, ...] = ()) -> Chain:
    chain = ProposedChain(calls=calls).chain(SEEN)
    return chain.model_copy(update={"recorded": recorded, "state": state})


def test_only_calls_made_of_the_world_as_it_is_become_primitives() -> None:
    change = StateChange(path="b.txt", before=None, after="x")
    chain = ran(
        Call(tool="files.list"),
        Call(tool="files.read", arguments={"path": {"$ref": [0, "/names/1"]}}),
        Call(tool="files.write", arguments={"path": "b.txt"}),
        Call(tool="files.read", arguments={"path": "b.txt"}),
        recorded=({"names": ["a.txt", "c.txt"]}, "text", "done", "x"),
        state=(change,),
    )
    made = list(primitives_of(chain, TOOLS, "ground"))
    assert [one.tool for one in made] == ["files.list", "files.read", "files.write"]
    assert made[1].arguments == {"path": "c.txt"}
    assert made[1].state == ()
    assert made[2].state == (change,)


def test_of_two_changes_neither_is_a_primitive() -> None:
    writes = [Call(tool="files.write", arguments={"path": name}) for name in ("a.txt", "b.txt")]
    chain = ran(Call(tool="files.list"), *writes, recorded=({"names": []}, "done", "done"))
    assert [one.tool for one in primitives_of(chain, TOOLS, "ground")] == ["files.list"]


def test_what_is_asked_for_is_found_in_the_results() -> None:
    rows = [{"name": "oats", "price": 4.5}, {"name": "rye", "price": 3.25}]
    chain = ran(Call(tool="files.list"), recorded=(rows,))
    (fact,) = asked_facts(chain, ProposedChain(calls=chain.calls, ask=(3.25,)), TOOLS)
    assert fact.value == 3.25
    assert fact.type == "number"
    assert asked_facts(chain, ProposedChain(calls=chain.calls, ask=()), TOOLS) == ()


def test_a_whole_fact_is_taken_as_it_is() -> None:
    own = Fact(value="oats and rye", about=("grain",))
    proposed = ProposedChain.model_validate({"calls": [LIST], "ask": [own.model_dump()]})
    assert asked_facts(ran(Call(tool="files.list"), recorded=({},)), proposed, TOOLS) == (own,)


def test_a_value_that_no_result_gives_is_refused() -> None:
    chain = ran(Call(tool="files.list"), recorded=([{"name": "oats", "price": 4.5}],))
    with pytest.raises(LookupError, match="7: ask for a value as it stands there"):
        asked_facts(chain, ProposedChain(calls=chain.calls, ask=(7,)), TOOLS)
