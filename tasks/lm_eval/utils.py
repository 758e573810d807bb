"""lm-eval's side of the tasks: classes that hand documents, prompts and results to `rise_bench.lmeval`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets import Dataset
from lm_eval.api.task import ConfigurableTask

from rise_bench import lmeval
from rise_bench.store import load_suite


class _RiseTask(ConfigurableTask):
    """What both tasks share: the suite, the prompt, the aggregation. `--metadata '{"suite": "FOLDER"}'` names another suite."""

    METRICS: tuple[str, ...] = ()

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    def documents(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def download(self, dataset_kwargs: Any = None, **_: Any) -> None:
        self.loaded = load_suite(self.config.metadata["suite"])
        self.dataset = {"test": Dataset.from_list(self.documents())}

    def fewshot_docs(self) -> list[dict[str, Any]]:
        return []

    def fewshot_context(  # the name is lm-eval's: the whole prompt of a document
        self,
        doc: Mapping[str, Any],
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> Any:
        if num_fewshot:
            raise ValueError(f"{self.task_name} takes no examples: run it with --num_fewshot 0")
        messages = json.loads(doc["messages"])
        if system_instruction:
            messages[0]["content"] = f"{system_instruction}\n\n{messages[0]['content']}"
        if apply_chat_template and chat_template is not None:
            return lmeval.chat_prompt(messages, chat_template)
        return lmeval.plain_prompt(messages)

    def doc_to_text(self, doc: Mapping[str, Any], doc_to_text: Any = None) -> str:
        return lmeval.plain_prompt(json.loads(doc["messages"]))

    def aggregation(self) -> dict[str, Callable[[Any], Any]]:
        return dict(lmeval.AGGREGATIONS)

    def higher_is_better(self) -> dict[str, bool]:
        return {name: True for name in self.METRICS if name != "chance"}


class RiseStatic(_RiseTask):
    """One next message per step."""

    METRICS = lmeval.STATIC_METRICS

    def documents(self) -> list[dict[str, Any]]:
        self.steps = {step.id: step for step in lmeval.suite_steps(self.loaded)}
        return lmeval.static_documents(self.loaded)

    def doc_to_target(self, doc: Mapping[str, Any], doc_to_target: Any = None) -> str:
        return str(doc["target"])

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        return lmeval.static_result(self.steps[doc["id"]], results[0], self.loaded)


class RiseChoice(_RiseTask):
    """The expected call against its mutations."""

    METRICS = lmeval.CHOICE_METRICS

    def documents(self) -> list[dict[str, Any]]:
        return lmeval.choice_documents(self.loaded)

    def doc_to_target(self, doc: Mapping[str, Any], doc_to_target: Any = None) -> int:
        return int(doc["gold"])

    def doc_to_choice(self, doc: Mapping[str, Any], doc_to_choice: Any = None) -> list[str]:
        return list(doc["choices"])

    def process_results(self, doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, Any]:
        return lmeval.choice_result(doc, [found[0] for found in results])
