"""What a hostile server tries, it does not get: each deed is shown to work outside, where that harms nobody."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import psutil
import pytest
from ground_kit import SERVERS, odd_recipe

from rise_bench.errors import ServerDied, SetupError
from rise_bench.ground.client import Connection
from rise_bench.ground.install import Installed
from rise_bench.ground.recipe import Limits
from rise_bench.ground.sandbox import Means, Sandbox, means
from rise_bench.ground.state import State
from rise_bench.ground.transport import stdio
from rise_bench.ground.tree import open_plain, remove
from rise_bench.ground.trial import WALLS, walls
from rise_bench.ground.wrap import bind_options

pytestmark = pytest.mark.skipif(means().problem is not None, reason=str(means().problem))

PYTHON = Path(sys.executable).resolve()
NOTHING = Installed(None, None, None)
FEW = {"processes": 40, "memory_mb": 256, "disk_mb": 16}
"""Limits under which the deeds are done."""

GROUPLESS = replace(means(), controllers=frozenset())
"""This machine as one on which no control group can be made."""

NO_GROUPS = pytest.mark.skipif(not means().controllers, reason="no control group can be made here")

WAYS = [
    pytest.param(means(), id="control groups", marks=NO_GROUPS),
    pytest.param(GROUPLESS, id="rlimits"),
]

Run = Callable[[str], str]


def bare(code: str, **environment: str) -> str:
    """What the code prints where nothing holds it."""
    command = [str(PYTHON), "-I", "-S", "-c", dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return done.stdout.strip()


@contextmanager
def wild(used: Means | None = None, env: dict[str, str] | None = None, **limits: int) -> Iterator[tuple[Run, Sandbox]]:
    """A server that does what it is told, in a sandbox."""
    folders = (str(PYTHON.parents[1]), sys.prefix, str(SERVERS))
    recipe = odd_recipe(
        command=sys.executable,
        args=(str(SERVERS / "wild.py"),),
        mounts=folders,
        reset="restart",
        limits=FEW | limits,
        env=env or {},
    )
    sandbox = Sandbox(used=used)
    way = stdio(sandbox.launch(recipe, NOTHING))
    connection = Connection("wild", way, sandbox.log("wild"), sandbox.exceeded)

    def run(code: str) -> str:
        outcome = connection.call("run", {"code": dedent(code)}, 60)
        assert outcome.status == "ok", outcome.content
        return outcome.content.strip()

    try:
        connection.start(30)
        yield run, sandbox
    finally:
        connection.close()
        sandbox.close()


def boxed(code: str, used: Means | None = None) -> tuple[str, str]:
    """What the code prints in a sandbox, without a server around it, and the limit that it went over."""
    sandbox = Sandbox(used=used)
    try:
        return done_in(sandbox, code), sandbox.exceeded()
    finally:
        sandbox.close()


def done_in(sandbox: Sandbox, code: str) -> str:
    binds = bind_options(NOTHING, (str(PYTHON.parents[1]),), None, own_uid=sandbox.means.own_uid)
    words = [str(PYTHON), "-I", "-S", "-c", dedent(code)]
    launch = sandbox.command("deed", words, {}, Limits.model_validate(FEW), binds)
    command = [launch.command, *launch.args]
    done = subprocess.run(command, env={}, cwd=launch.cwd, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def held() -> Iterator[Run]:
    """One server for the deeds that leave nothing behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-secret")
        with wild() as (run, _):
            yield run


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file of the user's, outside every sandbox, that everybody may read and write."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path = tmp_path / "canary"
    path.write_text("tweet", encoding="utf-8")
    path.chmod(0o666)
    return path


# --- files ------------------------------------------------------------------------------------------------------------

WRITE = """
    for path in {paths!r}:
        try:
            open(path, "a").write("x")
            print("wrote", path)
        except OSError as error:
            print("refused", path)
"""


def test_nothing_is_written_outside_the_home_and_tmp(held: Run, canary: Path) -> None:
    assert bare(WRITE.format(paths=[str(canary)])).startswith("wrote")
    canary.write_text("tweet", encoding="utf-8")
    places = [str(canary), f"/proc/self/root{canary}", f"/proc/1/root{canary}", f"../../../../../..{canary}"]
    places += [
        "/usr/bin/x",
        "/etc/passwd",
        "/x",
        "/dev/x",
        "/opt/rise/x",
        "/opt/sandbox/clock",
        "/proc/sys/kernel/hostname",
    ]
    said = held(WRITE.format(paths=places)).splitlines()
    assert [line for line in said if not line.startswith("refused")] == []
    assert len(said) == len(places)
    assert canary.read_text(encoding="utf-8") == "tweet"
    assert held(WRITE.format(paths=["x", "/tmp/x", "/dev/shm/x"])).count("wrote") == 3


def test_its_own_program_cannot_be_changed_nor_mounted_anew(held: Run) -> None:
    said = held(f"""
        import os, subprocess
        for deed in (
            lambda: open({str(SERVERS / "wild.py")!r}, "a"),
            lambda: os.chmod({str(SERVERS / "wild.py")!r}, 0o777),
            lambda: os.rename({str(SERVERS)!r}, "/tmp/moved"),
        ):
            try:
                deed()
                print("done")
            except OSError:
                print("refused")
        for command in (
            ["mount", "-o", "remount,rw", {str(SERVERS)!r}],
            ["umount", {str(SERVERS)!r}],
            ["unshare", "--user", "--map-root-user", "--mount", "mount", "-o", "remount,rw,bind", {str(SERVERS)!r}],
            ["unshare", "--user", "--map-root-user", "--mount", "umount", {str(SERVERS)!r}],
            ["unshare", "--user", "--map-root-user", "--mount", "umount", "/home/user"],
        ):
            print("done" if subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0 else "refused")
    """)
    assert said.split() == ["refused"] * 8


READ = """
    import os
    for path in {paths!r}:
        try:
            print("read", path, open(path).read())
        except OSError:
            print("refused", path)
    print(sorted(os.environ))
"""


def test_nothing_of_the_users_can_be_read_neither_files_nor_keys(held: Run, canary: Path) -> None:
    assert os.environ["OPENAI_API_KEY"] == "sk-secret", "set before the server was started"
    seen = bare(READ.format(paths=[str(canary)]), OPENAI_API_KEY="sk-secret")
    assert "tweet" in seen
    assert "OPENAI_API_KEY" in seen
    ways = [str(canary), f"/proc/1/root{canary}", f"../../../../..{canary}", f"/proc/{os.getpid()}/environ"]
    ways += ["/etc/shadow", str(Path.home() / ".bashrc"), str(Path.home() / ".profile")]
    said = held(READ.format(paths=ways))
    assert said.count("refused") == len(ways)
    assert "sk-secret" not in held(READ.format(paths=["/proc/1/environ", "/proc/1/cmdline", "/proc/self/environ"]))


def test_a_key_that_an_entry_asks_for_reaches_its_server_and_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-'live' $HOME\n\"4242\""
    monkeypatch.setenv("SHOP_KEY", key)
    with wild(env={"KEY": "Bearer ${SHOP_KEY}", "MODE": "test"}) as (run, _):
        seen = json.loads(run("import json, os; print(json.dumps(dict(os.environ)))"))
        lines = ["\0".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert (seen["KEY"], seen["MODE"]) == (f"Bearer {key}", "test")
    assert not [name for name in seen if name.startswith("RISE")], "and under no other name"
    assert any("MODE=test" in line for line in lines), "its processes were looked at"
    assert not any("sk-'live'" in line for line in lines)


def test_a_link_to_the_hosts_files_is_neither_read_nor_copied_nor_wiped_through(canary: Path) -> None:
    sandbox = Sandbox()
    try:
        deed = f"""
            import os
            os.symlink({str(canary)!r}, "file")
            os.symlink({str(canary.parent)!r}, "folder")
            os.symlink("/etc/shadow", "shadow.json")
            os.makedirs("repo/.git")
            os.symlink({str(canary)!r}, "repo/.git/HEAD")
            os.symlink({str(canary)!r}, "shop.db-wal")
            open("shop.db", "wb").write(b"SQLite format 3\\0")
            os.mkfifo("pipe")
            print("done")
        """
        assert done_in(sandbox, deed) == "done"
        assert (sandbox.home / "file").read_text(encoding="utf-8") == "tweet", "here a careless reader would follow it"
        leaves = State(sandbox.home, sandbox.root).snapshot().leaves
        assert leaves["file"] == f"-> {canary}"
        assert leaves["folder"] == f"-> {canary.parent}"
        assert [path for path, text in leaves.items() if "tweet" in text or "root:" in text] == []
        sandbox.fill(lambda stage, _: (stage / "fresh").mkdir())
        sandbox.wipe()
        assert list(sandbox.home.iterdir()) == []
    finally:
        sandbox.close()
    assert canary.read_text(encoding="utf-8") == "tweet"


def test_a_folder_that_became_a_link_since_it_was_looked_at_is_not_followed(tmp_path: Path) -> None:
    theirs, home = tmp_path / "theirs", tmp_path / "home"
    for folder in (theirs, home):
        folder.mkdir()
        (folder / "a.txt").write_text("tweet", encoding="utf-8")
    (home / "sub").symlink_to(theirs)
    assert (home / "sub" / "a.txt").is_file(), "here a careless reader would follow it"
    with pytest.raises(OSError, match="leads elsewhere"):
        open_plain(home / "sub" / "a.txt", home)
    with open_plain(home / "a.txt", home) as file:
        assert file.read() == b"tweet"
    remove(home)
    assert (theirs / "a.txt").is_file()


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    bare(f"""
        import os
        os.chdir({str(top)!r})
        for _ in range(600):
            os.mkdir("deep" * 10)
            os.chdir("deep" * 10)
        open("file", "w").close()
    """)
    remove(top)
    assert list(tmp_path.iterdir()) == []


# --- network ----------------------------------------------------------------------------------------------------------

REACH = """
    import socket
    for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, {name!r})):
        try:
            socket.socket(family).connect(address)
            print("reached")
        except OSError:
            print("refused")
"""


def test_neither_the_hosts_loopback_nor_its_sockets_nor_the_world_can_be_reached(held: Run) -> None:
    name = f"\0rise-bench-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as local:
        local.bind(name)
        local.listen()
        deed = REACH.format(port=port.getsockname()[1], name=name)
        assert bare(deed).split() == ["reached"] * 2
        assert held(deed).split() == ["refused"] * 2
    said = held("""
        import socket
        print([name for _, name in socket.if_nameindex()])
        try:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))
        except OSError as error:
            print(error.strerror)
    """)
    assert said.splitlines() == ["['lo']", "Network is unreachable"]


# --- limits -----------------------------------------------------------------------------------------------------------

FORK = """
    import os, signal
    started = []
    try:
        for _ in range({most}):
            pid = os.fork()
            if not pid:
                signal.pause()
            started.append(pid)
    except OSError:
        pass
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    print(len(started))
"""


@pytest.mark.parametrize("used", WAYS)
def test_a_fork_bomb_ends_at_the_limit(used: Means) -> None:
    assert bare(FORK.format(most=80)) == "80"
    said, why = boxed(FORK.format(most=80), used)
    assert 10 <= int(said) <= FEW["processes"]
    assert why == ""


def test_a_server_lives_on_after_a_fork_bomb_and_a_memory_bomb(held: Run) -> None:
    assert 10 <= int(held(FORK.format(most=80))) <= FEW["processes"]
    said = held("print(len(b'x' * (400 << 20)))")
    assert "MemoryError" in said or "exit status -9" in said
    assert held("print('still here')") == "still here"


@pytest.mark.parametrize("used", WAYS)
def test_a_memory_bomb_ends_at_the_limit(used: Means) -> None:
    deed = "print(len(b'x' * ({size} << 20)))"
    assert bare(deed.format(size=400)) == str(400 << 20)
    assert boxed(deed.format(size=100), used) == (str(100 << 20), "")
    assert boxed(deed.format(size=400), used)[0] == ""


MEMORY = {
    "side by side": """
        import os, signal
        for _ in range(6):
            if not os.fork():
                held = b"x" * (80 << 20)
                signal.pause()
        os.wait()
    """,
    "to be shared": """
        import mmap, signal
        held = mmap.mmap(-1, 400 << 20)
        for at in range(0, len(held), 1 << 20):
            held[at:at + (1 << 20)] = b"x" * (1 << 20)
        signal.pause()
    """,
    "files in memory": """
        import os, signal
        for number in range(64):
            os.write(os.memfd_create("m"), b"x" * (8 << 20))
        signal.pause()
    """,
}


@pytest.mark.parametrize("used", WAYS)
@pytest.mark.parametrize("deed", MEMORY.values(), ids=MEMORY)
def test_memory_counts_together_wherever_it_is_held(deed: str, used: Means) -> None:
    assert boxed(deed, used)[1] == "used more than 256 MiB of memory"


FILL = {
    "one file": """
        with open("big", "wb") as file:
            for _ in range(32):
                file.write(b"x" * (1 << 20))
    """,
    "many files": """
        for number in range(32):
            open(f"part{number}", "wb").write(b"x" * (1 << 20))
    """,
    "empty files": """
        for number in range(6000):
            open(f"part{number}", "wb").close()
    """,
    "tmp": """
        for number in range(32):
            open(f"/tmp/part{number}", "wb").write(b"x" * (1 << 20))
    """,
    "files without a name": """
        import os
        kept = []
        for number in range(32):
            kept.append(open("part", "wb"))
            kept[-1].write(b"x" * (1 << 20))
            kept[-1].flush()
            os.unlink("part")
    """,
    "mapped files without a name": """
        import ctypes, os
        library = ctypes.CDLL(None)
        library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        library.mmap.restype = ctypes.c_void_p
        for number in range(4):
            part = os.open("part", os.O_RDWR | os.O_CREAT)
            os.write(part, b"x" * (8 << 20))
            library.mmap(None, 8 << 20, 1, 1, part, 0)
            os.close(part)
            os.unlink("part")
    """,
    "folders deeper than any path": """
        import os
        for _ in range(600):
            os.mkdir("deep" * 10)
            os.chdir("deep" * 10)
        for number in range(32):
            open(f"part{number}", "wb").write(b"x" * (1 << 20))
    """,
}


@pytest.mark.parametrize("deed", FILL.values(), ids=FILL)
def test_whoever_fills_the_disk_is_ended(deed: str) -> None:
    assert boxed(f"{dedent(deed)}\nimport signal\nsignal.pause()")[1] == "used more than 16 MiB of disk"


def test_a_file_may_be_as_large_as_the_limit_and_no_larger() -> None:
    deed = "print(open('big', 'wb', buffering=0).write(b'x' * ({size} << 20)))"
    assert boxed(deed.format(size=15)) == (str(15 << 20), "")
    assert boxed(deed.format(size=32))[0] == str(16 << 20)


def test_the_call_in_which_a_server_is_ended_says_why() -> None:
    with wild() as (run, _), pytest.raises(ServerDied, match="died: used more than 16 MiB of disk, while calling run"):
        run(f"{dedent(FILL['many files'])}\nimport signal\nsignal.pause()")


def test_shared_memory_has_a_size(held: Run) -> None:
    assert int(bare("import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize >> 20)")) > 256
    assert held("import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize >> 20)") == "256"


# --- processes --------------------------------------------------------------------------------------------------------

DAEMON = """
    import os, signal, sys, time
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.closerange(0, 3)
    os.execv(sys.executable, [sys.executable, "-c", "import signal; signal.pause()", {mark!r}])
"""


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_nothing_outlives_its_server(tmp_path: Path) -> None:
    outside, inside = f"rise-test-outside-{os.getpid()}", f"rise-test-inside-{os.getpid()}"
    bare(DAEMON.format(mark=outside))
    left = marked(outside)
    assert left, "without a wall it stays"
    for process in left:
        process.kill()
    with wild() as (run, _):
        run(DAEMON.format(mark=inside))
        run("import time; time.sleep(0.2)")
        assert marked(inside), "it runs while the server does"
    psutil.wait_procs(marked(inside), 5)
    assert marked(inside) == []


def test_other_sandboxes_can_be_neither_seen_nor_signalled() -> None:
    with wild() as (one, _), wild() as (other, sandbox):
        mark = f"rise-test-neighbour-{os.getpid()}"
        other(DAEMON.format(mark=mark))
        other("import time; time.sleep(0.2)")
        (neighbour,) = marked(mark)
        said = one(f"""
            import os, signal
            print([number for number in os.listdir("/proc") if number.isdigit() and int(number) > 100])
            for number in ({neighbour.pid}, {os.getpid()}):
                try:
                    os.kill(number, signal.SIGKILL)
                    print("killed")
                except OSError as error:
                    print(error.strerror)
        """)
        assert said.splitlines() == ["[]", "No such process", "No such process"]
        suicide = "import os, signal; os.kill(-1, signal.SIGKILL)"
        with pytest.raises(ServerDied):
            one(suicide)
        assert neighbour.is_running()
        assert other("print('still here')") == "still here"
        assert sandbox.exceeded() == ""


def test_without_bubblewrap_a_server_dies_with_the_harness(tmp_path: Path) -> None:
    if not means().dies:
        pytest.skip("setpriv is not installed")
    mark = f"rise-test-orphan-{os.getpid()}"
    script = tmp_path / "harness.py"
    script.write_text(
        dedent(f"""
        import subprocess, sys
        from dataclasses import replace
        from rise_bench.ground.sandbox import Sandbox, means
        from rise_bench.ground.recipe import Limits
        sandbox = Sandbox(used=replace(means(), problem="taken away"))
        words = [sys.executable, "-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(600)", {mark!r}]
        launch = sandbox.command("one", words, {{}}, Limits(), [])
        process = subprocess.Popen([launch.command, *launch.args], env={{}}, cwd=launch.cwd, stdout=subprocess.PIPE,
                                   start_new_session=True)
        process.stdout.readline()
        print("ready", flush=True)
        process.wait()
        """),
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "ready\n"
        running = marked(mark)
        assert running
        harness.send_signal(signal.SIGKILL)
    psutil.wait_procs(running, 5)
    assert marked(mark) == []


# --- who is let in at all ---------------------------------------------------------------------------------------------


def test_every_wall_is_tried_and_holds_here_or_says_what_to_do() -> None:
    found = walls(means())
    assert tuple(wall.name for wall in found) == WALLS
    assert [wall for wall in found if not wall.holds and not wall.remedy] == []
    assert {wall.name for wall in found if wall.holds} >= {"network", "files and keys", "disk"}


def test_a_wall_that_does_not_hold_is_found_out_and_risky_servers_are_refused() -> None:
    unlimited = replace(means(), controllers=frozenset(), rlimits=frozenset())
    broken = {wall.name: wall for wall in walls(unlimited) if not wall.holds}
    assert "processes" in broken
    assert "96 of 96" in broken["processes"].found
    recipe = odd_recipe(risk="executes", reset="restart")
    careful, careless = Sandbox(used=unlimited), Sandbox(used=unlimited, allow_unsafe=True)
    try:
        with pytest.raises(SetupError, match=r"runs code .* limit on processes does not hold here.*--allow-unsafe"):
            careful.launch(recipe, NOTHING)
        assert careless.launch(recipe, NOTHING).args
        assert careful.launch(odd_recipe(), NOTHING).args, "a safe server is let in"
    finally:
        careful.close()
        careless.close()
