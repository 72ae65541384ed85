"""The pools of a node: one for each use, so that none waits for another."""

from __future__ import annotations

from dataclasses import dataclass

from server.store.database import (
    CHANNELS_POOL_SIZE,
    OWNER_POOL_SIZE,
    READS_POOL_SIZE,
    REQUEST_ROLE,
    WRITER_ROLE,
    Database,
)
from server.store.reads import Reads, Replica


@dataclass(frozen=True, slots=True)
class Databases:
    """The same database in three roles (migrations, row security), and a pool for each use."""

    requests: Database  # clients' requests: public rows, and the user's own
    reads: Reads  # what anyone may read: these requests take turns
    channels: Database  # the first states of channels; the reader needs the writer's rights, not its connections
    writer: Database  # the vote path, and changes that only the clock causes, such as the start of a show
    owner: Database  # administration

    @classmethod
    async def open(cls, url: str, *, pooled_url: str | None = None, read_url: str | None = None) -> Databases:
        """Connects.

        Takes:  pooled_url, of a pooler in transaction mode, for what clients ask; None: there is none. The vote path and
                administration go around it; read_url, of a replica; None: the primary answers all reads
        Raises: StoreUnavailable
        """
        opened: list[Database | Reads] = []
        clients, is_pooled = pooled_url or url, pooled_url is not None
        try:
            requests = await Database.open(clients, role=REQUEST_ROLE, is_pooled=is_pooled)
            opened.append(requests)
            primary = await Database.open(
                clients, role=REQUEST_ROLE, pool_size=READS_POOL_SIZE, name="reads", is_pooled=is_pooled
            )
            opened.append(primary)
            reads = Reads(primary, None if read_url is None else await Replica.open(read_url, primary))
            opened.append(reads)
            channels = await Database.open(
                clients, role=WRITER_ROLE, pool_size=CHANNELS_POOL_SIZE, name="channels", is_pooled=is_pooled
            )
            opened.append(channels)
            writer = await Database.open(url, role=WRITER_ROLE)
            opened.append(writer)
            owner = await Database.open(url, pool_size=OWNER_POOL_SIZE)
        except BaseException:  # a cancelled start closes them too
            for database in opened:
                await database.close()
            raise
        return cls(requests, reads, channels, writer, owner)

    async def close(self) -> None:
        """Closes every connection."""
        for database in (self.requests, self.reads, self.channels, self.writer, self.owner):
            await database.close()
