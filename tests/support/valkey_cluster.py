"""A Valkey Cluster of six real servers on loopback, from the embedded wheel's own program: three primaries, a replica each."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from server.embedded.valkey import _program
from tests.support.engines import short_folder, unused_low_port

PRIMARIES = 3
SLOTS = 16_384
# The bus of the cluster; the default, 10,000 above the port, is past the last port for many free ports.
PATIENCE_S = 20.0
_SERVER = """\
port {port}
bind 127.0.0.1
dir {folder}
repl-diskless-sync-delay 0
appendonly yes
save ""
loglevel warning
logfile {folder}/valkey.log
"""
_OF_CLUSTER = """\
cluster-port {bus_port}
cluster-enabled yes
cluster-node-timeout 1500
cluster-require-full-coverage no
cluster-replica-validity-factor 0
cluster-migration-barrier 10
"""


class Server:
    """One server. name: "host:port"."""

    def __init__(self, folder: Path, *, is_of_cluster: bool = True) -> None:
        self.folder = folder
        self.port, self.bus_port = unused_low_port(), unused_low_port()
        self.name = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Any = redis.Connection(  # type: ignore[no-untyped-call]
            "127.0.0.1", self.port, decode_responses=True, socket_timeout=5, driver_info=None
        )
        folder.mkdir()
        configuration = _SERVER + (_OF_CLUSTER if is_of_cluster else "")
        text = configuration.format(port=self.port, bus_port=self.bus_port, folder=folder)
        (folder / "valkey.conf").write_text(text)

    def start(self) -> None:
        """Starts it, unless it runs."""
        if self._process is None:
            self._process = subprocess.Popen(
                [_program(), self.folder / "valkey.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            eventually(self._answers, f"{self.name} answers")

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._line.disconnect()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its process is stopped: it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None

    def ask(self, *command: str | int | bytes) -> Any:
        """The answer to a command."""
        self._line.send_command(*command)
        return self._line.read_response()

    @property
    def id(self) -> str:
        """Its name in the cluster."""
        return str(self.ask("CLUSTER", "MYID"))

    def cut_off_replicas(self) -> None:
        """From now on, no replica gets anything of it."""
        self.ask("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
        self.ask("CLIENT", "KILL", "TYPE", "replica")

    def is_primary(self) -> bool:
        """Whether it takes writes."""
        return bool(self.ask("ROLE")[0] == "master")

    def close(self) -> None:
        """Kills it, and closes the connections to it."""
        self.kill()
        self._line.disconnect()

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False


class ValkeyCluster:
    """The six servers. The first three are the primaries at the beginning, and each later one is a replica of them."""

    def __init__(self, servers: list[Server]) -> None:
        self.servers = servers

    @property
    def url(self) -> str:
        """The address for `REDIS_URL`: two of the servers; the others are found."""
        return f"redis+cluster://{self.servers[0].name},{self.servers[1].name}"

    def running(self) -> list[Server]:
        """The servers that run."""
        return [server for server in self.servers if server.is_running]

    def primary_of(self, key: str) -> Server:
        """The server that holds a key, as most servers see it."""
        slot = key_slot(key.encode())
        for first, last, (_, port, *_), *_ in self.running()[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == port)
        raise AssertionError(f"nobody holds {key}")

    def replica_of(self, primary: Server) -> Server:
        """A running replica of a primary."""
        own = primary.id
        for line in primary.ask("CLUSTER", "NODES").splitlines():
            _, address, flags, master, *_ = line.split()
            if master == own and "fail" not in flags:
                port = int(address.partition("@")[0].rpartition(":")[2])
                return next(server for server in self.servers if server.port == port)
        raise AssertionError(f"{primary.name} has no replica")

    def promote(self, replica: Server) -> None:
        """Makes a replica the primary, without asking anybody; returns when all servers know."""
        replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        eventually(
            lambda: all(self._sees_primary(server, replica) for server in self.running()), "all know the primary"
        )

    def migrate_slot(self, key: str, target: Server) -> None:
        """Moves the slot of a key at once, as Valkey 9 can."""
        source, slot = self.primary_of(key), key_slot(key.encode())
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id)
        eventually(lambda: self.primary_of(key) is target, "the slot has moved")

    def move_slot(self, key: str, target: Server, *, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Moves the slot of a key with all its keys, as resharding does. meanwhile: runs when half of the keys have moved."""
        source, slot = self.primary_of(key), key_slot(key.encode())
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 10_000)
        for number, one in enumerate(keys):
            if number == len(keys) // 2:
                meanwhile()
            source.ask("MIGRATE", "127.0.0.1", target.port, one, 0, 5_000)
        for server in (target, source, *self.running()):
            if server.is_primary():
                server.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        eventually(lambda: self.primary_of(key) is target, "the slot has moved")

    def flush(self) -> None:
        """Removes every key."""
        for server in self.running():
            if server.is_primary():
                server.ask("FLUSHALL")

    def heal(self) -> None:
        """Every server runs, every slot is served, and each primary has a replica that is in step."""
        for server in self.servers:
            server.start()
        eventually(self.is_whole, "the cluster is whole")

    def is_whole(self) -> bool:
        """Whether all servers agree that everything works."""
        infos = [server.ask("CLUSTER", "INFO") for server in self.servers]
        roles = [server.ask("ROLE") for server in self.servers]
        return (
            all("cluster_state:ok" in info and f"cluster_slots_ok:{SLOTS}" in info for info in infos)
            and sum(role[0] == "master" for role in roles) == PRIMARIES
            and all(role[3] == "connected" for role in roles if role[0] == "slave")
            and all(len(role[2]) == 1 for role in roles if role[0] == "master")
        )

    def _sees_primary(self, server: Server, primary: Server) -> bool:
        ports = [ranges[2][1] for ranges in server.ask("CLUSTER", "SLOTS")]
        return primary.port in ports


@contextmanager
def valkey_cluster() -> Iterator[ValkeyCluster]:
    """Forms a cluster."""
    with short_folder() as folder:
        cluster = ValkeyCluster([Server(folder / str(number)) for number in range(2 * PRIMARIES)])
        servers = cluster.servers
        try:
            for number, server in enumerate(servers, 1):
                server.start()
                server.ask("CLUSTER", "SET-CONFIG-EPOCH", number)
            for number, server in enumerate(servers[:PRIMARIES]):
                first, past = SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES
                server.ask("CLUSTER", "ADDSLOTSRANGE", first, past - 1)
            for server in servers[1:]:
                server.ask("CLUSTER", "MEET", "127.0.0.1", servers[0].port, servers[0].bus_port)
            known = f"cluster_known_nodes:{len(servers)}"
            eventually(lambda: all(known in server.ask("CLUSTER", "INFO") for server in servers), "all have met")
            for primary, replica in zip(servers, servers[PRIMARIES:], strict=False):
                replica.ask("CLUSTER", "REPLICATE", primary.id)
            cluster.heal()
            yield cluster
        finally:
            for server in servers:
                server.close()


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits for servers; fails when something does not come true."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.02)
