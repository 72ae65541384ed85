"""The age of the newest backup: on the page Database, as a verdict, and in the metrics."""

from __future__ import annotations

from typing import Any

from server.node.node import Node
from server.node.readings import value_of
from server.telemetry import BACKUP_AGE_MAX_SECONDS, BACKUP_AGE_SECONDS
from tests.support.api_client import ApiClient
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until

BACKUP = """insert into backups (made_at, file_name, size_bytes, host)
            values (now() - make_interval(hours => $1), 'votes-' || $1::int || '.backup', 12000000, 'db1')"""


async def findings(admin: ApiClient) -> list[Any]:
    _, seen = await admin.get("/api/admin/overview?history=false")
    return [(finding["name"], finding["cause"]) for finding in seen["findings"]]


async def test_an_old_backup_is_named(
    node: Node, admin: ApiClient, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """Without any backup nothing is said: there may be others. Of several, the newest one counts."""
    state = (await admin.get("/api/database/operations"))[1]["backups"]
    assert state == {"newest": None, "age_max_s": 26 * 3600, "is_overdue": False}
    assert await findings(admin) == []
    assert value_of(BACKUP_AGE_SECONDS) == 0
    for hours in (40, 30):
        await factory.sql.execute(BACKUP, hours)
    state = (await admin.get("/api/database/operations"))[1]["backups"]
    newest = state["newest"]
    assert (newest["file_name"], newest["size_bytes"], newest["host"]) == ("votes-30.backup", 12_000_000, "db1")
    assert state["is_overdue"]
    assert await findings(admin) == [
        (
            "BackupOverdue",
            "The newest backup is overdue: it is 30 hours old, and may be 26. Host db1 wrote votes-30.backup.",
        )
    ]

    async def is_measured() -> bool:
        return value_of(BACKUP_AGE_SECONDS) >= 30 * 3600

    async with running_node(database_url, redis_url, backup_age_hours=48) as other:
        await until(is_measured)
        assert value_of(BACKUP_AGE_MAX_SECONDS) == 48 * 3600
        assert not (await other.rooms.overviews.overview()).findings
    await factory.sql.execute(BACKUP, 1)
    assert "BackupOverdue" not in [name for name, _ in await findings(admin)]
