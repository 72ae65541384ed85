"""Items of the email queue, and the check whether an item may still be sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

from server.mail.tokens import mailbox_hash

Frequency = Literal["never", "immediately", "daily", "weekly"]
EmailKind = Literal["show_announced", "show_reminder", "show_result"]
KINDS: tuple[EmailKind, ...] = get_args(EmailKind)
CONFIRMATION = "confirm_address"
DIGESTS = ("daily", "weekly")

CONFIRMATIONS_PER_HOUR_MAX = 3
STALE_AFTER = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailItem:
    """A row of email_queue with the current data of its user and show.

    A digest is one email with several items. Fields are None when the account has no address or the show is gone. brand, its host and
    its colours (ink: of its text): None when the address was saved at the service itself, or the brand is gone.
    """

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
    language: str = ""
    brand: str | None = None
    brand_host: str | None = None
    ground: str | None = None
    ink: str | None = None
    accent: str | None = None

    @classmethod
    def from_row(cls, row: Any) -> EmailItem:
        """Builds an item from a row of the query fetch_items."""
        return cls(**dict(row))

    @property
    def change(self) -> str:
        """What happened to the show, as in show_news: `cancelled`, or its new date; empty: the email is about no change."""
        return self.about.split(":")[2] if self.kind != CONFIRMATION and self.about.count(":") == 2 else ""

    @property
    def is_for_digest(self) -> bool:
        """Whether the item is sent in a digest."""
        return self.kind != CONFIRMATION and self.frequency in DIGESTS


def confirmation_about(address: str, asked_ms: int) -> str:
    """Gives the unique subject of a confirmation. It has a hash, so that the queue does not hold the address."""
    return f"address:{mailbox_hash(address).hex()}:{asked_ms}"


def why_suppressed(item: EmailItem, now: datetime) -> str | None:
    """Gives the reason why the item must not be sent any more; None: it may be sent."""
    if item.address is None:
        return "the account has no address"
    if item.stopped_by is not None:
        return f"the address is stopped: {item.stopped_by}"
    if item.created_at < now - STALE_AFTER:
        return "it waited too long"
    if item.kind == CONFIRMATION:
        return _why_confirmation_suppressed(item)
    return _why_show_suppressed(item, now)


def _why_confirmation_suppressed(item: EmailItem) -> str | None:
    assert item.address is not None
    if item.is_confirmed:
        return "the address is already confirmed"
    if not item.about.startswith(f"address:{mailbox_hash(item.address).hex()}:"):
        return "the address was changed"
    if item.earlier_count >= CONFIRMATIONS_PER_HOUR_MAX:
        # The request itself was not refused: that would reveal that others asked for this address too.
        return "too many confirmations to this address"
    return None


def _why_show_suppressed(item: EmailItem, now: datetime) -> str | None:
    reasons = {
        "the address is not confirmed": not item.is_confirmed,
        "the user wants no emails": item.frequency == "never",
        "the user wants no emails of this kind": not item.is_wanted,
        "the show is gone": item.show_id is None,
        "the show is cancelled": item.change != "cancelled" and item.status == "cancelled",
        "the show is not cancelled any more": item.change == "cancelled" and item.status != "cancelled",
        "the show has another date by now": item.change not in ("", "cancelled", str(item.local_date)),
        "the show has begun": item.kind != "show_result" and item.starts_at is not None and item.starts_at <= now,
        "the user no longer follows the artist": item.kind == "show_announced" and not item.followed,
        "the user no longer attends the show or votes on it": not item.is_concerned,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)
