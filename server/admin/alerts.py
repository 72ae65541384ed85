"""Telling somebody when a service is in trouble, and when it is well again: log, metric, webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog

from server.protocol.instants import iso
from server.store.chores import Chore
from server.store.queries import load_queries
from server.telemetry import SERVICE_IN_TROUBLE

log = structlog.get_logger()

EVERY_S = 30.0
# One bad answer is none: so many in an hour, the last one among them.
BAD_COUNT = 3
QUIET_S = 300.0
WEBHOOK_TIMEOUT_S = 5.0

queries = load_queries(Path(__file__).with_name("alerts.sql"))


class Alerts:
    """Takes: webhook_url, where each change is posted as JSON; None: nowhere."""

    def __init__(self, webhook_url: str | None) -> None:
        self._webhook_url = webhook_url

    def chore(self) -> Chore:
        """What one node does."""
        return Chore("alerts", EVERY_S, self.look)

    async def look(self, connection: Any) -> None:
        """Tells what has changed since the last look.

        Raises: StoreUnavailable
        """
        rows = queries.change_alerts(connection, bad_count=BAD_COUNT, quiet_s=QUIET_S)
        for row in [row async for row in rows]:
            is_well = row["status"] == "ok"
            SERVICE_IN_TROUBLE.labels(row["service"]).set(0 if is_well else 1)
            if is_well:
                log.info("service.well_again", service=row["service"])
            else:
                log.warning("service.in_trouble", service=row["service"], status=row["status"], detail=row["detail"])
            if self._webhook_url is not None:
                await self._post({**row, "since": iso(row["since"])})

    async def _post(self, alert: dict[str, Any]) -> None:
        """Once: whoever watches by webhook watches by metric too."""
        try:
            async with httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_S) as http:
                answer = await http.post(
                    self._webhook_url or "",
                    content=msgspec.json.encode(alert),
                    headers={"Content-Type": "application/json", "User-Agent": "mysetlist"},
                )
        except httpx.HTTPError as error:
            log.warning("alert.not_posted", service=alert["service"], error=type(error).__name__)
            return
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            log.warning("alert.not_posted", service=alert["service"], error=f"answered {answer.status_code}")
