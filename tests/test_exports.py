"""What a module says it exports is there, and the package's door is small."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import rise_bench

MODULES = sorted(m.name for m in pkgutil.walk_packages(rise_bench.__path__, "rise_bench."))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_exports_names_that_exist_once_and_in_order(name: str) -> None:
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", []))
    assert [n for n in exported if not hasattr(module, n)] == []
    assert (
        sorted(exported, key=lambda n: (not n.isupper(), n[0].islower(), n)) == exported or sorted(exported) == exported
    )
    assert len(set(exported)) == len(exported)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_in_its_docstring_what_it_is_for(name: str) -> None:
    assert (importlib.import_module(name).__doc__ or "").strip() != ""


def test_every_name_of_the_door_opens_what_it_names_and_there_are_at_most_fifteen() -> None:
    names = rise_bench.__all__
    assert 0 < len(names) <= 15
    assert [n for n in names if getattr(rise_bench, n).__name__ != n] == []


def test_no_name_of_the_door_is_hidden_by_a_room() -> None:
    assert {name.removeprefix("rise_bench.") for name in MODULES} & set(rise_bench.__all__) == set()


def test_the_door_says_which_name_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(rise_bench, "no_such_name")  # noqa: B009 - a type checker would refuse the plain form
