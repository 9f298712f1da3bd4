"""A master, a replica of it and three Sentinels that watch both: real ones, on ports of the loopback."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.redis_server import PrivateServer, dying_with_us, free_port
from tests.waiting import wait_until

SERVICE = "mill"
_N_SENTINELS = 3
_LOOPBACK = "127.0.0.1"


class Watched:
    """Two servers, of which the Sentinels at `url` know the master."""

    def __init__(self, servers: dict[int, PrivateServer], sentinels: list[int]) -> None:
        """By their ports; the first server is the master."""
        self._servers = servers
        self._sentinels = sentinels
        self.master, self.replica = servers.values()

    @property
    def url(self) -> str:
        """Where producers and workers look for the master."""
        places = ",".join(f"{_LOOPBACK}:{port}" for port in self._sentinels)
        return f"redis+sentinel://{places}/{SERVICE}"

    async def until_replicated(self) -> None:
        """Wait until nothing is lost with the master."""
        with Redis.from_url(self.master.url) as client:
            await wait_until(lambda: client.wait(1, 100) == 1, 20, "the replica to have it all")

    async def until_ready(self) -> None:
        """Wait until every Sentinel knows of the replica and of the others, and would act."""
        await wait_until(lambda: all(map(self._knows_all, self._sentinels)), 30, "the Sentinels")

    async def until_promoted(self) -> None:
        """Wait until the Sentinels have made the replica the master."""
        ports = {server: port for port, server in self._servers.items()}
        await wait_until(
            lambda: (
                self._state(self._sentinels[0]).get("port") == ports[self.replica]
                and self._is_master(self.replica)
            ),
            60,
            "the end of the failover",
        )

    def _knows_all(self, port: int) -> bool:
        state = self._state(port)
        return (
            state.get("num-slaves") == len(self._servers) - 1
            and state.get("num-other-sentinels") == _N_SENTINELS - 1
        )

    def _state(self, port: int) -> dict[str, object]:
        try:
            with Redis(_LOOPBACK, port) as client:
                state: dict[str, object] = client.sentinel_master(SERVICE)
                return state
        except RedisError:
            return {}

    def _is_master(self, server: PrivateServer) -> bool:
        with Redis.from_url(server.url) as client:
            return bool(client.role()[0] == b"master")


@contextmanager
def private_sentinels(binary: Path) -> Iterator[Watched]:
    """Run them all for as long as the block lasts; nothing is left behind."""
    with ExitStack() as stack:
        servers = {}
        for _ in range(2):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp"))
            port = free_port()
            servers[port] = server = PrivateServer(binary, Path(folder), port=port, is_durable=True)
            stack.callback(server.kill)
            server.start()
        first, second = servers
        with Redis.from_url(servers[first].url) as client:
            client.config_set("repl-diskless-sync-delay", 0)
        with Redis.from_url(servers[second].url) as client:
            client.replicaof(_LOOPBACK, str(first))
        ports = [free_port() for _ in range(_N_SENTINELS)]
        for port in ports:
            stack.enter_context(private_sentinel(binary, port, first, _N_SENTINELS // 2 + 1))
        yield Watched(servers, ports)


@contextmanager
def private_sentinel(binary: Path, port: int, master: int, quorum: int = 1) -> Iterator[None]:
    """One on this port, which watches the server on the port `master`, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as folder:
        lines = (
            f"port {port}",
            f"bind {_LOOPBACK}",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} {_LOOPBACK} {master} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 5000",
        )
        config = Path(folder) / "sentinel.conf"
        config.write_text("\n".join((*lines, "")))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                dying_with_us([str(binary), str(config), "--sentinel"]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        try:
            yield
        finally:
            process.kill()
            process.wait()
