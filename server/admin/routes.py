"""HTTP endpoints for the administration of the database."""

from __future__ import annotations

import msgspec

from server.admin.backups import Backups, BackupState
from server.admin.health import ServiceHealth, fetch_health
from server.admin.operation_kinds import OperationBody
from server.admin.operations import Operation, Operations
from server.admin.statistics import Day, Statistics, fetch_days, fetch_statistics
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.store.database import Database
from server.store.reads import Reads


class ReplicaState(msgspec.Struct, frozen=True, kw_only=True):
    """The replica that answers reads (DATABASE_READ_URL), as the node that answers sees it. `why_not`: why it is not in use."""

    is_in_use: bool
    why_not: str
    behind_s: float


class DatabaseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The database and the services that it depends on; operations and days, the newest first."""

    statistics: Statistics
    health: list[ServiceHealth]
    platform_stats: list[Day]
    backups: BackupState
    replica: ReplicaState | None
    operations: list[Operation]


class DatabaseRoutes:
    """Operations and statistics, for administrators.

    Takes: owner, a database with its owner's rights; reads, whose replica is shown
    """

    def __init__(self, owner: Database, reads: Reads, operations: Operations, backups: Backups) -> None:
        self._owner = owner
        self._reads = reads
        self._backups = backups
        self._operations = operations

    def endpoints(self) -> list[Endpoint]:
        """The endpoints that a node serves."""
        return [
            Endpoint(
                method="GET", path="/api/database/operations", handler=self.get_operations, access="admin",
                answer=DatabaseAnswer, summary="The database's statistics, the services' health, recent operations.",
            ),
            Endpoint(
                method="POST", path="/api/database/operations", handler=self.post_operation, access="admin",
                body=OperationBody, status=202, answer=Operation, codes=(Code.CONFLICT, Code.FORBIDDEN),
                summary="Start an operation; one at a time.",
            ),
            Endpoint(
                method="GET", path="/api/database/operations/{operation}", handler=self.get_operation, access="admin",
                answer=Operation, codes=(Code.NOT_FOUND,), summary="One operation and its progress.",
            ),
        ]  # fmt: skip

    async def get_operations(self, _call: Call) -> Answer:
        """`GET /api/database/operations`."""
        async with self._owner.connection() as connection:
            backups = await self._backups.fetch(connection)
        document = DatabaseAnswer(
            statistics=await fetch_statistics(self._owner),
            health=await fetch_health(self._owner),
            platform_stats=await fetch_days(self._owner),
            operations=await self._operations.recent(),
            backups=backups,
            replica=self._replica_state(),
        )
        return Answer(document=document)

    def _replica_state(self) -> ReplicaState | None:
        replica = self._reads.replica
        if replica is None:
            return None
        why = replica.why_left_out
        return ReplicaState(is_in_use=not why, why_not=why, behind_s=round(replica.behind_s, 3))

    async def post_operation(self, call: Call) -> Answer:
        """`POST /api/database/operations`: answers 202 at once; the operation runs in the background."""
        operation = await self._operations.start(call.body, call.user)
        return Answer(document=operation, headers={"Location": f"/api/database/operations/{operation.id}"})

    async def get_operation(self, call: Call) -> Answer:
        """`GET /api/database/operations/{operation}`."""
        return Answer(document=await self._operations.fetch(call.id("operation")))
