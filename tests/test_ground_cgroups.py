"""Control groups are found in either version, hold what they are told, and are not left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rise_bench.ground.cgroups import CONTROLLERS, Group, candidates, parents
from rise_bench.ground.recipe import Limits

needs_groups = pytest.mark.skipif(set(parents()) != set(CONTROLLERS), reason="no control group can be made here")


def test_in_version_2_the_nearest_group_that_hands_the_controller_down_is_tried_first(tmp_path: Path) -> None:
    here = tmp_path / "user.slice" / "app.slice" / "shell.scope"
    here.mkdir(parents=True)
    for folder, handed in (
        (here, ""),
        (here.parent, "memory pids"),
        (here.parents[1], "pids"),
        (tmp_path, "cpu memory"),
    ):
        (folder / "cgroup.subtree_control").write_text(f"{handed}\n", encoding="ascii")
    own = "0::/user.slice/app.slice/shell.scope\n"
    mounts = f"30 23 0:26 / {tmp_path} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    assert candidates("memory", own, mounts) == [here.parent, tmp_path]
    assert candidates("pids", own, mounts) == [here.parent, here.parents[1]]


def test_in_version_1_each_controller_has_a_hierarchy_of_its_own(tmp_path: Path) -> None:
    for name in ("memory", "pids"):
        (tmp_path / name / "job").mkdir(parents=True)
    own = "8:pids:/job\n4:cpu,memory:/outer/job\n0::/\n"
    mounts = (
        f"31 23 0:27 /outer {tmp_path}/memory rw - cgroup cgroup rw,cpu,memory\n"
        f"32 23 0:28 / {tmp_path}/pids rw - cgroup cgroup rw,pids\n"
    )
    assert candidates("memory", own, mounts) == [tmp_path / "memory" / "job"]
    assert candidates("pids", own, mounts) == [tmp_path / "pids" / "job"]


def test_where_nothing_is_mounted_there_is_nothing_to_try() -> None:
    assert candidates("memory", "", "") == []


@needs_groups
def test_a_group_is_gone_once_it_is_removed() -> None:
    group = Group(Limits(), frozenset(CONTROLLERS))
    folders = [Path(entry).parent for entry in group.entries]
    assert all(folder.is_dir() for folder in folders)
    assert not group.out_of_memory()
    group.remove()
    group.remove()
    assert not any(folder.exists() for folder in folders)


@needs_groups
def test_groups_of_a_process_that_was_killed_are_swept_by_the_next() -> None:
    code = (
        "import signal\n"
        "from rise_bench.ground.cgroups import Group, parents\n"
        "from rise_bench.ground.recipe import Limits\n"
        "print(*Group(Limits(), frozenset(parents())).entries, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        left = [Path(entry).parent for entry in other.stdout.readline().split()]
        parents.cache_clear()
        assert set(parents()) == set(CONTROLLERS)
        assert all(folder.is_dir() for folder in left), "its owner lives"
        other.send_signal(signal.SIGKILL)
    assert all(folder.is_dir() for folder in left)
    parents.cache_clear()
    assert set(parents()) == set(CONTROLLERS)
    assert not any(folder.exists() for folder in left)
