"""The lm-eval tasks: documents, prompts, metrics, and the tasks as lm-eval itself loads and runs them."""

from __future__ import annotations

import json
import math
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate
from lm_eval.tasks import TaskManager

from rise_bench import lmeval
from rise_bench.static import judge
from rise_bench.store import LoadedSuite, load_suite, suites

NAMES = ("rise_static", "rise_choice")


@cache
def desk() -> LoadedSuite:
    return load_suite("desk")


@cache
def static() -> list[dict[str, Any]]:
    return lmeval.static_documents(desk())


@cache
def choice() -> list[dict[str, Any]]:
    return lmeval.choice_documents(desk())


class Scripted(LM):
    """Answers each document as it is told to; what lm-eval asks is kept in `asked`."""

    def __init__(self, right: bool = True) -> None:
        super().__init__()
        self.right = right
        self.asked: list[Any] = []
        self.templated: list[list[dict[str, str]]] = []

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        self.asked += [request.args for request in requests]
        return [request.doc["target"] if self.right else "I would rather not." for request in requests]

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        self.asked += [request.args for request in requests]
        return [(-1.0 if (r.idx == r.doc["gold"]) == self.right else -2.0, False) for r in requests]

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        raise NotImplementedError

    def apply_chat_template(self, chat_history: Any, add_generation_prompt: bool = True) -> str:
        self.templated.append(chat_history)
        return "".join(f"<{m['role']}>{m['content']}" for m in chat_history) + "<assistant>"

    @property
    def tokenizer_name(self) -> str:
        return "scripted"


def manager(folder: Path = lmeval.TASKS, **metadata: Any) -> TaskManager:
    return TaskManager(include_path=str(folder), include_defaults=False, metadata=metadata or None)


def run(model: LM, task: str, **more: Any) -> dict[str, Any]:
    return evaluate(lm=model, task_dict=manager().load([task]), bootstrap_iters=100, **more)


# --- documents --------------------------------------------------------------------------------------------------------


def test_every_step_of_the_suite_is_a_document_and_carries_the_canary() -> None:
    assert len(static()) > 150 and len({doc["id"] for doc in static()}) == len(static())
    assert {doc["task"] for doc in static()} == set(desk().tasks)
    assert {doc["canary"] for doc in (*static(), *choice())} == {desk().suite.canary}


def test_documents_are_the_same_each_time_they_are_made() -> None:
    assert lmeval.static_documents(load_suite("desk")) == static()
    assert lmeval.choice_documents(load_suite("desk")) == choice()


def test_the_steps_of_a_task_stand_together_in_order() -> None:
    seen: list[str] = []
    for doc in static():
        if doc["step"] == 0:
            seen.append(doc["task"])
        assert doc["task"] == seen[-1]
    assert len(seen) == len(set(seen))


def test_a_limit_meets_every_kind_of_task_early() -> None:
    assert {doc["kind"] for doc in static()[:60]} == {"complete", "underspecified", "infeasible"}


def test_choices_are_distinct_and_the_expected_one_stands_anywhere_among_them() -> None:
    targets = {doc["id"]: doc["target"] for doc in static()}
    for doc in choice():
        assert len(set(doc["choices"])) == len(doc["choices"]) >= 2
        assert doc["choices"][doc["gold"]] == targets[doc["id"]]
        assert [bool(text) for text in doc["changed"]] == [i != doc["gold"] for i in range(len(doc["choices"]))]
    first = sum(doc["gold"] == 0 for doc in choice()) / len(choice())
    chance = sum(1 / len(doc["choices"]) for doc in choice()) / len(choice())
    assert abs(first - chance) < 0.1


def test_every_choice_is_read_back_as_the_call_that_it_is() -> None:
    steps = {step.id: step for step in lmeval.suite_steps(desk())}
    for doc in choice():
        step = steps[doc["id"]]
        values = [judge(step, lmeval.message_of(step, text), desk().ground).acc_intent.value for text in doc["choices"]]
        assert values == [float(i == doc["gold"]) for i in range(len(values))]


def test_the_folder_of_tasks_is_no_suite() -> None:
    assert "lm_eval" not in suites()


# --- prompts ----------------------------------------------------------------------------------------------------------


MESSAGES = [{"role": "system", "content": "Be good. <tools>"}, {"role": "user", "content": "Hello."}]


def test_without_a_template_each_role_has_a_header_and_the_assistant_begins() -> None:
    assert lmeval.plain_prompt(MESSAGES) == "System: Be good. <tools>\n\nUser: Hello.\n\nAssistant:"


def test_a_template_that_loses_the_system_message_is_told_it_with_the_request() -> None:
    def loses(messages: list[dict[str, str]]) -> str:
        return "".join(f"[{m['role']}]{m['content']}" for m in messages if m["role"] != "system")

    assert lmeval.chat_prompt(MESSAGES, loses) == "[user]Be good. <tools>\n\nHello."


def test_a_template_that_gives_no_text_is_left_alone() -> None:
    assert lmeval.chat_prompt(MESSAGES, lambda messages: tuple(m["role"] for m in messages)) == ("system", "user")


def test_with_a_chat_template_every_message_keeps_its_role() -> None:
    model = Scripted()
    run(model, "rise_static", limit=40, apply_chat_template=True)
    assert {tuple(m["role"] for m in messages)[:2] for messages in model.templated} == {("system", "user")}
    assert any([m["role"] for m in messages][2:] == ["assistant", "user"] for messages in model.templated)
    assert all(prompt.endswith("<assistant>") and "<tools>" in prompt for prompt, _ in model.asked)


def test_examples_are_refused() -> None:
    (task,) = manager().load(["rise_static"])["tasks"].values()
    task.set_config("num_fewshot", 2)
    with pytest.raises(ValueError, match="takes no examples"):
        task.build_all_requests(limit=1)


def test_a_system_instruction_stands_before_the_suites_own() -> None:
    model = Scripted()
    run(model, "rise_static", limit=1, system_instruction="Answer in French.")
    assert model.asked[0][0].startswith("System: Answer in French.\n\nYou are the assistant")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_thought_is_neither_said_nor_called_and_wire_names_become_tool_ids() -> None:
    step = next(step for step in lmeval.suite_steps(desk()) if step.nexts)
    said = lmeval.message_of(step, f"<think>maybe <tool_call> no</think>\n{static_target(step.id)}<|im_end|>")
    assert said.tool_calls == step.expected.tool_calls and said.content == "" and not said.malformed


def static_target(name: str) -> str:
    return str(next(doc["target"] for doc in static() if doc["id"] == name))


def test_a_broken_call_counts_as_not_parsed() -> None:
    step = next(step for step in lmeval.suite_steps(desk()) if step.nexts)
    found = lmeval.static_result(step, '<tool_call>\n{"name": "x", "argum', desk())
    assert (found["parsed"], found["step_task"], found["step_intent"]) == (0.0, 0.0, 0.0)
    assert lmeval.static_result(step, "Hello.", desk())["parsed"] == 1.0


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_a_task_is_one_iff_all_its_steps_are_and_is_left_out_where_one_is_missing() -> None:
    items = [("a", 2, "c", 1.0), ("a", 2, "c", 0.0), ("b", 1, "d", 1.0), ("cut", 2, "d", 1.0)]
    assert lmeval.AGGREGATIONS["acc_intent"](items) == 0.5
    assert math.isnan(lmeval.AGGREGATIONS["acc_intent"](items[3:]))


def test_a_standard_error_grows_with_what_the_clusters_share_and_is_none_where_it_cannot_be_known() -> None:
    stderr = lmeval.AGGREGATIONS["acc_stderr"]
    alone = [(str(i), float(i % 2)) for i in range(40)]
    together = [("odd" if i % 2 else f"even {i % 8}", float(i % 2)) for i in range(40)]
    assert stderr(alone) == pytest.approx(0.0826, abs=2e-3)  # sqrt(0.25 / 39), scaled from t(39) to 1.96
    assert stderr(together) > 2 * stderr(alone)
    assert stderr([("a", 1.0), ("b", 1.0)]) == stderr([("a", 1.0)]) == "N/A"


def test_a_tie_is_a_miss_and_the_margin_is_the_lead_over_the_best_other() -> None:
    doc = {"gold": 1, "choices": ["a" * 10, "b" * 20, "c" * 10], "cluster": "x", "task": "t"}
    found = lmeval.choice_result(doc, [-5.0, -5.0, -9.0])
    assert (found["acc"], found["acc_norm"], found["margin"]) == (0.0, 1.0, 0.0)
    assert found["chance"] == pytest.approx(1 / 3)
    assert lmeval.choice_result(doc, [-5.0, -3.5, -9.0])["margin"] == 1.5


@pytest.mark.parametrize("broken", [math.nan, -math.inf])
@pytest.mark.parametrize("place", range(3))
def test_a_log_likelihood_that_is_no_finite_number_gives_no_figure(broken: float, place: int) -> None:
    doc = {"gold": 0, "choices": ["a", "b", "c"], "cluster": "x", "task": "t"}
    logs = [-1.0, -2.0, -3.0]
    assert lmeval.choice_result(doc, logs)["scored"] == 1.0
    logs[place] = broken
    assert lmeval.choice_result(doc, logs) == {"scored": 0.0, "scored_stderr": ["x", 0.0]}


# --- lm-eval ----------------------------------------------------------------------------------------------------------


def problems(folder: Path) -> list[str]:
    """What is wrong with a folder of lm-eval tasks: files that were skipped, names that cannot be built."""
    found, tasks = [], manager(folder)
    for file in sorted(folder.glob("*.yaml")):
        known = {name for name in tasks.all_tasks if tasks.task_index[name].yaml_path == file.resolve()}
        found += [] if known else [f"{file.name}: skipped"]
        for name in sorted(known):
            try:
                tasks.load([name])
            except Exception as error:  # whatever a broken task raises, the file is at fault
                found.append(f"{file.name}: {type(error).__name__}: {error}")
    return found


def test_lm_eval_registers_and_builds_every_file_of_ours() -> None:
    assert len(list(lmeval.TASKS.glob("*.yaml"))) == 3
    assert problems(lmeval.TASKS) == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("task: [rise_static", "skipped"),
        ("tusk: rise_static\n", "skipped"),
        ("task: rise_static\nclass: !function utils.Missing\n", "has no function 'Missing'"),
        ("task: rise_static\nclass: !function utils.RiseStatic\ntypo: 1\n", "typo"),
    ],
)
def test_a_file_that_lm_eval_would_skip_or_choke_on_is_found(tmp_path: Path, broken: str, said: str) -> None:
    for file in ("utils.py", "rise_choice.yaml"):
        shutil.copy(lmeval.TASKS / file, tmp_path)
    (tmp_path / "rise_static.yaml").write_text(broken, encoding="utf-8")
    (only,) = problems(tmp_path)
    assert only.startswith("rise_static.yaml") and said in only


@pytest.mark.parametrize("name", NAMES)
def test_two_loads_give_the_same_hashes(name: str) -> None:
    def hashes() -> list[tuple[str, str, str]]:
        rows = run(Scripted(), name, limit=5)["samples"][name]
        return [(row["doc_hash"], row["prompt_hash"], row["target_hash"]) for row in rows]

    assert hashes() == hashes()


def test_the_right_answers_score_one_and_refusals_only_what_is_right_to_refuse() -> None:
    right = run(Scripted(), "rise")["results"]
    for metric in ("acc_task", "acc_intent", "step_task", "step_intent", "parsed", "icp_recall", "decision"):
        assert right["rise_static"][f"{metric},none"] == 1.0
    assert (
        right["rise_choice"]["acc,none"]
        == right["rise_choice"]["acc_norm,none"]
        == right["rise_choice"]["margin,none"]
        == 1
    )
    wrong = run(Scripted(right=False), "rise")["results"]
    assert wrong["rise_static"]["acc_intent,none"] == wrong["rise_static"]["icp_recall,none"] == 0.0
    assert wrong["rise_choice"]["acc,none"] == 0.0
    assert 0.2 < wrong["rise_choice"]["chance,none"] < 0.4


def test_the_group_gives_acc_intent_and_its_clustered_standard_error() -> None:
    class Sometimes(Scripted):
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [r.doc["target"] if r.doc["cluster"] < "desk-04" else "No." for r in requests]

    results = run(Sometimes(), "rise")
    alone, group = results["results"]["rise_static"], results["groups"]["rise"]
    assert group["acc_intent,none"] == alone["acc_intent,none"]
    assert 0.2 < group["acc_intent,none"] < 0.6
    assert group["acc_intent_stderr,none"] == pytest.approx(alone["acc_intent_stderr,none"])
    n, share = len(desk().suite.tasks), alone["acc_intent,none"]
    assert alone["acc_intent_stderr,none"] > 1.5 * math.sqrt(share * (1 - share) / n)  # whole clusters rise and fall


def test_a_log_holds_what_is_needed_to_score_it_again() -> None:
    (row,) = run(Scripted(), "rise_static", limit=1)["samples"]["rise_static"]
    assert row["doc"]["suite"] == "desk@1-0" and row["doc"]["suite_digest"] == desk().suite.digest()
    assert json.loads(json.dumps({key: row[key] for key in row if key.startswith(("step", "acc", "icp"))}))


def test_another_suite_is_named_by_metadata(tmp_path: Path) -> None:
    shutil.copytree(desk().path, tmp_path / "mine")
    head = yaml.safe_load((tmp_path / "mine" / "suite.yaml").read_text(encoding="utf-8"))
    (tmp_path / "mine" / "suite.yaml").write_text(yaml.safe_dump({**head, "name": "mine"}), encoding="utf-8")
    tasks = manager(suite=str(tmp_path / "mine")).load(["rise_static"])["tasks"]
    assert tasks["rise_static"].eval_docs[0]["suite"] == "mine@1-0"


def test_the_guide_gives_the_counts_of_the_shipped_suite() -> None:
    guide = (Path(__file__).parent.parent / "docs" / "lm_eval.md").read_text(encoding="utf-8")
    requests = sum(len(doc["choices"]) for doc in choice())
    assert f"({len(static())} documents of desk {desk().suite.version})" in guide
    assert f"({len(choice())} documents, {requests} requests)" in guide
