"""The maintenance of one node: chores, health samples and alerts, operations on the database."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

import msgspec

from server.admin import statistics
from server.admin.alerts import Alerts
from server.admin.backups import Backups
from server.admin.health import HealthSampler
from server.admin.operation_kinds import OperationHooks
from server.admin.operations import Operations
from server.admin.retention import Retention
from server.admin.routes import DatabaseRoutes
from server.cache.cluster import connection_to
from server.clock import Clock
from server.game.counting import BoardCounting
from server.insight import accuracy, counting, trending
from server.moderation import audit_chain
from server.people.ticket_codes import keying_of
from server.protocol.http.endpoints import Endpoint
from server.protocol.progress import ReportProgress
from server.sample.demo import seed_demo, why_not_seed
from server.store.chores import Chores
from server.store.database import Database
from server.store.reads import Reads
from server.store.rule_changes import ChangeRules
from server.sync.forgetting import expire_played
from server.voting.reconcile import reopen_shards


class Maintenance:
    """The maintenance of one node: its loops and its endpoints.

    Takes: owner, a database with the rights of its owner; reads, whose replica is shown; board_counting, of leaderboards; is_own, whether it belongs to the node's own engines;
           backup_age_max_s, from which on the newest backup is overdue; kept_days, by provider the days for which its data is kept; alert_webhook_url, which gets alerts, None: no webhook;
           alert_webhook_secret, which signs them, None: they are not signed; secret, of the nodes, which hashes ticket codes;
           chores_after_s, from the start to the first chore
    """

    def __init__(
        self,
        owner: Database,
        reads: Reads,
        redis_url: str,
        clock: Clock,
        change_rules: ChangeRules,
        *,
        board_counting: BoardCounting,
        is_own: bool,
        backup_age_max_s: int,
        kept_days: Mapping[str, int],
        secret: str,
        chores_after_s: float,
        alert_webhook_url: str | None = None,
        alert_webhook_secret: bytes | None = None,
    ) -> None:
        expire = partial(expire_played, change_rules=change_rules, days=kept_days["setlistfm"])
        retention = Retention(kept_days, {"played_setlists": expire})
        self._owner = owner
        self._reads = reads
        self._redis_url = redis_url
        self._is_own = is_own
        self._valkey = connection_to(redis_url)
        self._chores = Chores(
            owner.url,
            clock,
            [
                retention.chore(),
                Alerts(alert_webhook_url, alert_webhook_secret).chore(),
                *statistics.CHORES,
                trending.RANKING,
                *counting.CHORES,
                accuracy.SCORING,
                board_counting.chore(),
                keying_of(secret),
                audit_chain.CHAINING,
            ],
            begin_after_s=chores_after_s,
        )
        self.backups = Backups(owner, backup_age_max_s)
        self._health = HealthSampler(owner, clock, {"postgres": owner.ping, "valkey": self._probe_valkey})
        self._operations = Operations(
            owner,
            retention,
            OperationHooks(reopen_shards=self.reopen_shards, why_not_seed=self._why_not_seed, seed=self._seed),
        )

    def endpoints(self) -> list[Endpoint]:
        """Endpoints for the web application."""
        return DatabaseRoutes(self._owner, self._reads, self._operations, self.backups).endpoints()

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Loops of the node."""
        return {
            "operations": self._operations.run(),
            "chores": self._chores.run(),
            "health": self._run_health(),
            "backups": self.backups.run(),
        }

    async def _probe_valkey(self) -> None:
        await self._valkey.probe()

    async def _run_health(self) -> None:
        try:
            await self._health.run()
        finally:
            await self._valkey.close()

    async def reopen_shards(self, show_ids: list[int]) -> None:
        """Has the hot copy of these shows' shards read again. Raises: StoreUnavailable, CacheError."""
        await reopen_shards(self._owner, self._redis_url, show_ids)

    async def _why_not_seed(self) -> str | None:
        return await why_not_seed(self._owner, is_own=self._is_own)

    async def _seed(self, report_progress: ReportProgress) -> Mapping[str, int]:
        added = await seed_demo(self._owner.url, progress=report_progress)
        return {name: count for name, count in msgspec.structs.asdict(added).items() if count}
