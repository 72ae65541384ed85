"""Alerts when a service fails and when it has recovered: log, metric and webhook."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import structlog

from server.admin.queries import alerts as queries
from server.protocol.http.signatures import signed_headers
from server.protocol.instants import iso, ms_of
from server.store.chores import Chore
from server.telemetry import SERVICE_IN_TROUBLE

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

EVERY_S = 30.0
# An alert starts when the last response is bad, and this hour and the one before have at least this many bad responses together.
BAD_COUNT = 3
# An alert lasts at least this long. A service without a request for this long counts as ok.
QUIET_S = 300.0
WEBHOOK_TIMEOUT_S = 5.0


class Alerts:
    """Sends alerts.

    Takes: webhook_url, which receives each change as JSON, None: no webhook; webhook_secret, the key that signs it, None:
           it is not signed
    """

    def __init__(self, webhook_url: str | None, webhook_secret: bytes | None) -> None:
        self._webhook_url = webhook_url
        self._webhook_secret = webhook_secret

    def chore(self) -> Chore:
        """The chore of one node."""
        return Chore("alerts", EVERY_S, self.send_changes)

    async def send_changes(self, connection: Connection) -> None:
        """Sends the changes since the last call.

        Raises: StoreUnavailable
        """
        rows = queries.change_alerts(connection, bad_count=BAD_COUNT, quiet_s=QUIET_S)
        for row in [row async for row in rows]:
            has_recovered = row["status"] == "ok"
            SERVICE_IN_TROUBLE.labels(row["service"]).set(0 if has_recovered else 1)
            if has_recovered:
                log.info("service.well_again", service=row["service"])
            else:
                log.warning("service.in_trouble", service=row["service"], status=row["status"], detail=row["detail"])
            if self._webhook_url is not None:
                message_id = f"alert_{row['service']}_{ms_of(row['since'])}"
                await self._post(message_id, {**row, "since": iso(row["since"])})

    async def _post(self, message_id: str, alert: dict[str, Any]) -> None:
        """Posts an alert once, without another attempt: the metric shows the same."""
        body = msgspec.json.encode(alert)
        keys = [] if self._webhook_secret is None else [self._webhook_secret]
        headers = {
            "Content-Type": "application/json", "User-Agent": "mysetlist",
            **signed_headers(message_id, dt.datetime.now(dt.UTC), body, keys),
        }  # fmt: skip
        try:
            async with httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_S) as http:
                response = await http.post(self._webhook_url or "", content=body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("alert.not_posted", service=alert["service"], error=type(error).__name__)
            return
        if response.status_code >= httpx.codes.BAD_REQUEST:
            log.warning("alert.not_posted", service=alert["service"], error=f"answered {response.status_code}")
