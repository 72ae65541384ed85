"""Addresses that get no more emails. A link in an email, a bounce, a complaint or staff stops an address.

Only hashes of addresses are stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, cast

from server.mail.queries import unsubscribes as queries

if TYPE_CHECKING:
    from server.store.database import Connection

StoppedBy = Literal["link", "bounce", "complaint", "staff"]


async def fetch_stop(connection: Connection, address_hash: bytes) -> StoppedBy | None:
    """Gives the reason why an address is stopped; None: it is not stopped."""
    reason = await queries.fetch_stop(connection, address_hash=address_hash)
    return cast("StoppedBy | None", reason)


async def stop_address(connection: Connection, address_hash: bytes, reason: StoppedBy, now: datetime) -> None:
    """Stops all emails to an address. The first reason stays."""
    await queries.stop_address(connection, address_hash=address_hash, reason=reason, instant=now)


async def resume_address(connection: Connection, address_hash: bytes) -> None:
    """Undoes a stop by a link. Stops by a bounce, a complaint or staff stay."""
    await queries.resume_address(connection, address_hash=address_hash)
