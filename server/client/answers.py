"""What the client for programs gives: states of channels, receipts, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from server.errors import MysetlistError
from server.protocol.channels import ACTIVITY_EVENTS_MAX


class Closed(MysetlistError):
    """The connection ended for good: closed by us, or the server said not to return; one line."""


class Update(msgspec.Struct, frozen=True):
    """A channel's whole state as of position `at`; its fields are those of the AsyncAPI document."""

    channel: str
    at: int
    state: Mapping[str, Any]


class Receipt(msgspec.Struct, frozen=True):
    """A cast was taken. ballot: setlist song -> up or down; remaining: votes left in the show, None: no limit."""

    at: int
    durability: str
    ballot: dict[int, str]
    remaining: int | None = None


class MarkReceipt(msgspec.Struct, frozen=True):
    """Going or following was taken, at this position of the log."""

    at: int
    durability: str


class Ballot(msgspec.Struct, frozen=True):
    """One's own choices in a show, setlist song -> up or down, and how many more it allows, None: no limit."""

    ballot: dict[int, str]
    remaining: int | None = None


def merged(name: str, state: Mapping[str, Any], push: dict[str, Any]) -> dict[str, Any]:
    """The whole state after a push: of `votes:` it holds the changed songs, of `activity` the new events."""
    kind = name.partition(":")[0]
    if kind == "votes":
        rows = {row[0]: row for row in state["tally"]} | {row[0]: row for row in push["tally"]}
        return push | {"tally": list(rows.values())}
    if kind == "activity" and not push.get("gap"):
        return push | {"events": [*state["events"], *push["events"]][-ACTIVITY_EVENTS_MAX:]}
    return push
