"""Places in the catalogue's lists: what their cursors hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from server.protocol.http.cursors import CursorId, Microseconds, Place

# The order of the list of shows, as list_group() says it.
STATUS_GROUPS = ("live", "upcoming", "finished", "cancelled")


class ShowCursor(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A show's place in the list: its group (0 live, 1 upcoming, 2 finished, 3 cancelled), start and id."""

    group: Annotated[int, msgspec.Meta(ge=0, le=3)]
    starts_us: Microseconds
    id: CursorId

    @property
    def within(self) -> timedelta:
        """Where in its group: what list_place() says of it."""
        return timedelta(
            microseconds=self.starts_us if self.group < STATUS_GROUPS.index("finished") else -self.starts_us
        )


class SlugCursor(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list in the order of slugs."""

    slug: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]


class DistanceCursor(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in a list in the order of distance; equals by id."""

    km: Annotated[float, msgspec.Meta(ge=0, le=20_038.0)]
    id: CursorId
