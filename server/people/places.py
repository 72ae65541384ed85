"""Places in the lists of this room: what their cursors hold."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from server.protocol.cursors import ID_MAX, Place

# Every instant a PostgreSQL timestamptz and a Python datetime can both hold, with a day to spare.
_Microseconds = Annotated[int, msgspec.Meta(ge=-62_135_510_400_000_000, le=253_402_214_400_000_000)]
_Id = Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]


class InstantPlace(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list in the order of instants, and of ids where they are the same."""

    at_us: _Microseconds
    id: _Id


class QueuePlace(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in the moderators' queue; kind 0: a text that was held back, 1: a report."""

    priority: Literal["low", "normal", "high", "urgent"]
    created_us: _Microseconds
    kind: Literal[0, 1]
    id: _Id
