"""The embedded server: shared by all who join it, ended with its last user, its data kept."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from jobs.embedded import join_server
from jobs.errors import ExitCode, ServerStartError
from tests.waiting import wait_until

# Joins, says where, and stays until its standard input ends.
USER = """
import sys
from pathlib import Path
from jobs.embedded import join_server
lease = join_server(Path(sys.argv[1]))
print(lease.url, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Server:
    """What runs for a directory."""

    socket: Path
    pid: int
    keeper: int


def server_of(directory: Path) -> Server:
    """The server that was started last."""
    told = json.loads((directory / "server" / "server.json").read_text())
    return Server(Path(told["socket"]), told["pid"], told["keeper"])


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        # The second where it is buried between the opening of the file and its reading.
        return False


async def gone(server: Server) -> None:
    """Wait until nothing is left of a server."""
    await wait_until(
        lambda: not (is_alive(server.pid) or is_alive(server.keeper)), 10, "the server's end"
    )
    await wait_until(lambda: not server.socket.parent.exists(), 5, "the folder's end")


@asynccontextmanager
async def using(directory: Path, **options: object) -> AsyncIterator[tuple[Process, str]]:
    """Another process that uses the server of `directory`, and the URL it was given."""
    user = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", USER, str(directory)),
        stdin=PIPE,
        stdout=PIPE,
        **options,  # type: ignore[arg-type]
    )
    assert user.stdout is not None
    try:
        yield user, (await user.stdout.readline()).decode().strip()
    finally:
        if user.returncode is None:
            user.kill()
        await user.wait()


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Path]:
    """A project's directory, whose server has ended when the test has."""
    yield tmp_path
    if (tmp_path / "server" / "server.json").exists():
        await gone(server_of(tmp_path))


def contents(path: Path) -> bytes:
    return path.read_bytes()


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)


async def test_processes_that_race_for_the_start_get_one_server(directory: Path) -> None:
    """`promptmill worker &` and `promptmill submit` start together; two servers would split the queue."""
    users = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", USER, str(directory)), stdin=PIPE, stdout=PIPE
        )
        for _ in range(8)
    ]
    urls = {(await user.stdout.readline()).decode() for user in users if user.stdout}
    folders = list(server_of(directory).socket.parent.parent.glob(f"{_stem(directory)}*"))
    for user in users:
        user.kill()
        await user.wait()
    assert (len(urls), len(folders)) == (1, 1)


def _stem(directory: Path) -> str:
    return server_of(directory).socket.parent.name.rpartition("-")[0]


async def test_the_last_user_to_leave_ends_the_server(directory: Path) -> None:
    """Nothing may run on because somebody once tried the demo."""
    first, second = join_server(directory), join_server(directory)
    server = server_of(directory)
    first.leave()
    with client(second.url) as connection:
        assert connection.ping()
    second.leave()
    await gone(server)


async def test_killed_users_leave_nothing_behind(directory: Path) -> None:
    """Terminals are closed and machines run out of memory; nobody says goodbye then."""
    async with using(directory) as (one, _), using(directory) as (other, _):
        server = server_of(directory)
        one.kill()
        other.kill()
        await gone(server)


async def test_what_was_queued_is_there_when_somebody_joins_again(directory: Path) -> None:
    """Jobs submitted today are worked on tomorrow."""
    lease = join_server(directory)
    with client(lease.url) as connection:
        connection.set("k", "kept")
    lease.leave()
    again = join_server(directory)
    with client(again.url) as connection:
        assert connection.get("k") == b"kept"
    again.leave()


async def test_a_killed_keeper_takes_the_server_along_and_the_next_user_starts_another(
    directory: Path,
) -> None:
    """An orphaned server would hold the data that the next one needs."""
    async with using(directory) as (_, url):
        with client(url) as connection:
            connection.set("k", "kept")
        first = server_of(directory)
        os.kill(first.keeper, signal.SIGKILL)
        await wait_until(lambda: not is_alive(first.pid), 5, "the server's end")
        async with using(directory) as (_, next_url):
            with client(next_url) as connection:
                assert connection.get("k") == b"kept"
            assert not first.socket.parent.exists()


async def test_a_killed_server_is_started_again_with_its_data(directory: Path) -> None:
    """The kernel may pick the server when memory runs out; its users only have to try again."""
    async with using(directory) as (_, url):
        with client(url) as connection:
            connection.set("k", "kept")
        first = server_of(directory)
        os.kill(first.pid, signal.SIGKILL)
        await wait_until(lambda: _reads(url, "k") == b"kept", 10, "the data under the same URL")
        assert server_of(directory).pid != first.pid
        assert server_of(directory).keeper == first.keeper


def _reads(url: str, key: str) -> object:
    try:
        with client(url) as connection:
            return connection.get(key)
    except redis.ConnectionError:
        return None


async def test_whoever_joins_while_the_server_is_being_restarted_waits_for_it(
    directory: Path,
) -> None:
    """A second server on the same append-only file would spoil both."""
    async with using(directory) as (_, url):
        first = server_of(directory)
        os.kill(first.pid, signal.SIGKILL)
        async with using(directory) as (_, other_url):
            assert other_url == url
            assert server_of(directory).keeper == first.keeper
            with client(other_url) as connection:
                assert connection.ping()


async def test_a_project_path_longer_than_a_socket_path_may_be_works(tmp_path: Path) -> None:
    """A socket's path holds 107 bytes; projects lie deeper than that."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    lease = join_server(deep)
    server = server_of(deep)
    with client(lease.url) as connection:
        assert connection.ping()
    lease.leave()
    await gone(server)


async def test_projects_have_servers_of_their_own(tmp_path: Path) -> None:
    """One project's `FLUSHALL` is not another's."""
    one, other = join_server(tmp_path / "one"), join_server(tmp_path / "other")
    servers = server_of(tmp_path / "one"), server_of(tmp_path / "other")
    assert one.url != other.url
    one.leave()
    other.leave()
    for server in servers:
        await gone(server)


async def test_ctrl_c_at_the_user_who_started_it_leaves_the_server_to_the_others(
    directory: Path,
) -> None:
    """Ctrl-C goes to everything in the terminal; a worker in another one is still at work."""
    async with (
        using(directory, process_group=0) as (starter, url),
        using(directory) as _,
    ):
        os.killpg(starter.pid, signal.SIGINT)
        await starter.wait()
        with client(url) as connection:
            assert connection.ping()
        assert is_alive(server_of(directory).keeper)


async def test_secrets_of_the_environment_do_not_reach_the_server(directory: Path) -> None:
    """It outlives the command that started it, and may be looked into by whoever debugs it."""
    environment = {**os.environ, "GEMINI_API_KEY": "TOPSECRET"}
    async with using(directory, env=environment):
        server = server_of(directory)
        for pid in (server.pid, server.keeper):
            assert b"TOPSECRET" not in contents(Path(f"/proc/{pid}/environ"))


async def test_whoever_starts_the_server_is_left_without_a_child(directory: Path) -> None:
    """A worker runs for weeks; what it once started must not be its to bury."""
    lease = join_server(directory)
    children = contents(Path(f"/proc/self/task/{os.getpid()}/children")).split()
    assert str(server_of(directory).keeper).encode() not in children
    lease.leave()


async def test_only_its_owner_may_look_into_the_data(directory: Path) -> None:
    """The queue holds prompts."""
    lease = join_server(directory)
    assert (directory / "server").stat().st_mode & 0o077 == 0
    assert server_of(directory).socket.parent.stat().st_mode & 0o077 == 0
    lease.leave()


def test_a_server_that_cannot_be_told_of_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk every command tries again, and each would leave a folder with a socket in it."""
    # What stands in the place of the file that would name the socket: it cannot be written.
    (tmp_path / "server" / "server.json" / "in the way").mkdir(parents=True)
    # Not below the test's own folder, whose path may be too long for a socket.
    with TemporaryDirectory() as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        with pytest.raises(ServerStartError, match="does not start"):
            join_server(tmp_path)
        assert list(Path(runtime).iterdir()) == []
    assert not list((tmp_path / "server").glob(".server*"))


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Read-only checkouts and full disks are met here first."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ServerStartError, match="Not a directory") as caught:
        join_server(tmp_path / "file")
    assert str(tmp_path / "file" / "server") in caught.value.message
    assert caught.value.exit_code is ExitCode.TRANSIENT


def test_a_server_that_cannot_read_its_data_is_given_up_and_its_log_named(
    tmp_path: Path,
) -> None:
    """To try for ever would hang every command; to start with an empty queue would lose jobs."""
    folder = tmp_path / "server" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("spoilt\n")
    with pytest.raises(ServerStartError, match="does not start") as caught:
        join_server(tmp_path)
    log = Path(caught.value.facts["its log"])
    assert b"manifest" in contents(log)
    assert (folder / "appendonly.aof.manifest").read_text() == "spoilt\n"
