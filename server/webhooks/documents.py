"""The bodies and answers of the routes of webhooks."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from server.outgoing.addresses import URL_CHARS_MAX
from server.protocol.http.parameters import PageQuery, Revision
from server.protocol.positions import EXACT_MAX

DESCRIPTION_CHARS_MAX = 200

Event = Literal["show.opened", "show.closed", "show.final", "show.milestone", "song.played", "group.flagged"]
DeliveryState = Literal["queued", "sending", "delivered", "dead"]
Url = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=URL_CHARS_MAX,
        description="Of the receiver; it begins with https:// and leads to a public address.",
    ),
]
Description = Annotated[str, msgspec.Meta(max_length=DESCRIPTION_CHARS_MAX)]
Events = Annotated[list[Event], msgspec.Meta(min_length=1, max_length=6)]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A new webhook: its address, and the events that it gets."""

    url: Url
    events: Events
    description: Description = ""
    is_enabled: bool = True


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change; a field that is left out stays. A webhook that is disabled gets no event, and its waiting
    deliveries become dead letters. With `revision`, the change is refused if somebody else changed the webhook after it.
    """

    url: Url | msgspec.UnsetType = msgspec.UNSET
    events: Events | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    revision: Revision | None = None


class LastAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """The last attempt. `status`: of the answer; null: there was none. `error`: empty when the receiver took the message."""

    at: dt.datetime
    status: int | None
    took_ms: int
    error: str


class WebhookItem(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook without its secret. `why_disabled`: the reason when the server disabled it. `failing_since`: null when the last
    attempt arrived. `previous_secret_until`: until then each message is also signed with the previous secret. `waiting` and
    `dead`: numbers of deliveries.
    """

    id: int
    revision: int
    url: str
    description: str
    events: list[Event]
    is_enabled: bool
    why_disabled: str
    created_at: dt.datetime
    failing_since: dt.datetime | None
    previous_secret_until: dt.datetime | None
    waiting: int
    dead: int
    last_attempt: LastAttempt | None


class ChangedWebhook(WebhookItem, frozen=True, kw_only=True):
    """A webhook after an act. `ended`: deliveries that waited, and get no further attempt."""

    is_preview: bool
    ended: int


class SecretWebhook(WebhookItem, frozen=True, kw_only=True):
    """A webhook with its new secret, which is shown only this once; null in a preview."""

    is_preview: bool
    secret: str | None


class WebhookPage(msgspec.Struct, frozen=True):
    """A page of webhooks."""

    items: list[WebhookItem]
    next: str | None


class DeletedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook that was deleted, or would be, with the numbers of its waiting deliveries and dead letters."""

    id: int
    is_preview: bool
    waiting: int
    dead: int


class DeliveryQuery(PageQuery, frozen=True, kw_only=True):
    """The filter of deliveries. State `dead`: the dead letters."""

    state: DeliveryState | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to a webhook. `message_id` is its header `webhook-id`; `next_at`, null: no attempt is due;
    `status`, of the last answer, null: there was none.
    """

    id: int
    event: Event
    message_id: str
    show: int
    at: dt.datetime
    state: DeliveryState
    attempts: int
    next_at: dt.datetime | None
    tried_at: dt.datetime | None
    status: int | None
    took_ms: int | None
    error: str


class DeliveryPage(msgspec.Struct, frozen=True):
    """A page of deliveries."""

    items: list[Delivery]
    next: str | None


class AgainBody(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letter to send again. Without `delivery`: all of the webhook, up to 1,000 at a time."""

    delivery: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)] | None = None


class SentAgain(msgspec.Struct, frozen=True, kw_only=True):
    """The number of dead letters that are queued again, or would be."""

    is_preview: bool
    count: int


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's answer to the test. `status`: null when it did not answer. `error`: empty when it took the message."""

    is_delivered: bool
    status: int | None
    took_ms: int
    error: str
