"""What the queue holds, and whether it is still wanted when its time has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from server.mail.tokens import mailbox_hash

Frequency = Literal["never", "immediately", "daily", "weekly"]
Kind = Literal["show_announced", "show_reminder", "show_result"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CONFIRMATION = "confirm_address"
DIGESTS = ("daily", "weekly")

CONFIRMATIONS_PER_HOUR_MAX = 3
STALE_AFTER = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the queue, with what it is about as it is now. None: the account has no address, the show is gone."""

    id: int
    user_id: int
    kind: str
    about: str
    created_at: datetime
    address: str | None
    frequency: str | None
    is_confirmed: bool
    is_wanted: bool | None
    stopped_by: str | None
    earlier_count: int
    is_concerned: bool
    show_id: int | None
    slug: str | None
    show: str | None
    status: str | None
    local_date: date | None
    starts_at: datetime | None
    time_zone: str | None
    artist: str | None
    venue: str | None
    city: str | None
    followed: list[str]
    songs: list[str]

    @classmethod
    def of(cls, row: Any) -> Item:
        """Takes: a row of fetch_items."""
        return cls(**dict(row))

    @property
    def is_gathered(self) -> bool:
        """Whether it goes into a letter with others."""
        return self.kind != CONFIRMATION and self.frequency in DIGESTS


def confirmation_about(address: str, asked_ms: int) -> str:
    """What makes one confirmation another than the next; no address, so that the queue holds none."""
    return f"address:{mailbox_hash(address).hex()}:{asked_ms}"


def why_not(item: Item, now: datetime) -> str | None:
    """Why this must not be sent any more; None: it may."""
    if item.address is None:
        return "there is no address any more"
    if item.stopped_by is not None:
        return f"the address is stopped: {item.stopped_by}"
    if item.created_at < now - STALE_AFTER:
        return "it waited too long"
    return _why_no_confirmation(item) if item.kind == CONFIRMATION else _why_not_about_show(item, now)


def _why_no_confirmation(item: Item) -> str | None:
    assert item.address is not None
    if item.is_confirmed:
        return "confirmed already"
    if not item.about.startswith(f"address:{mailbox_hash(item.address).hex()}:"):
        return "the address was changed"
    if item.earlier_count >= CONFIRMATIONS_PER_HOUR_MAX:
        # Not told to whoever asked: it would say that others have asked for this address too.
        return "too many confirmations to this address"
    return None


def _why_not_about_show(item: Item, now: datetime) -> str | None:
    reasons = {
        "the address is not confirmed": not item.is_confirmed,
        "no letters are wanted": item.frequency == "never",
        "letters of this kind are not wanted": not item.is_wanted,
        "the show is gone": item.show_id is None,
        "the show is cancelled": item.status == "cancelled",
        "the show has begun": item.kind != "show_result" and item.starts_at is not None and item.starts_at <= now,
        "they do not follow any more": item.kind == "show_announced" and not item.followed,
        "they do not attend any more, nor have a vote": not item.is_concerned,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
