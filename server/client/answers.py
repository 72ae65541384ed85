"""The values that the client returns: states of channels, receipts and ballots; and the error of a closed client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from server.errors import MysetlistError
from server.protocol.channels import ACTIVITY_EVENTS_MAX


class Closed(MysetlistError):
    """The connection is closed for good, by us or by the server, and nothing reconnects. The message is one line."""


class Update(msgspec.Struct, frozen=True):
    """The whole state of a channel as of position `at`; /api/asyncapi.json lists the fields of `state`."""

    channel: str
    at: int
    state: Mapping[str, Any]


class Receipt(msgspec.Struct, frozen=True):
    """The acknowledgement of a cast. ballot: setlist song -> up or down; remaining: votes left in the show, None: no limit."""

    at: int
    durability: str
    ballot: dict[int, str]
    remaining: int | None = None


class MarkReceipt(msgspec.Struct, frozen=True):
    """The acknowledgement of going to a show or following an artist, at position `at` of the log."""

    at: int
    durability: str


class Ballot(msgspec.Struct, frozen=True):
    """The user's own choices in a show: setlist song -> up or down; remaining: votes left, None: no limit; order:
    that of the last cast, 0: it had none.
    """

    ballot: dict[int, str]
    remaining: int | None = None
    order: int = 0


def merged(name: str, state: Mapping[str, Any], push: dict[str, Any]) -> dict[str, Any]:
    """The whole state of a channel after a push.

    A push of `votes:` holds only the changed songs, and a push of `activity` only the new events (with `gap`: all events).
    Pushes of other channels hold the whole state.
    """
    kind = name.partition(":")[0]
    if kind == "votes":
        rows = {row[0]: row for row in state["tally"]} | {row[0]: row for row in push["tally"]}
        return push | {"tally": list(rows.values())}
    if kind == "activity" and not push.get("gap"):
        return push | {"events": [*state["events"], *push["events"]][-ACTIVITY_EVENTS_MAX:]}
    return push
