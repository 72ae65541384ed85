"""The cursors of the catalogue's lists: each holds the sort key of the last item of a page."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec

from server.protocol.http.cursors import Cursor, CursorId, Microseconds

# The groups of the list of shows, in the order of the database function list_group().
STATUS_GROUPS = ("live", "upcoming", "finished", "cancelled")


class ShowCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key of a show: its group (0 live, 1 upcoming, 2 finished, 3 cancelled), its start and its id."""

    group: Annotated[int, msgspec.Meta(ge=0, le=3)]
    starts_us: Microseconds
    id: CursorId

    @property
    def place_in_group(self) -> timedelta:
        """The sort key within the group, as the database function list_place() computes it.

        Live and upcoming shows are sorted by their start; finished and cancelled shows have the newest start first.
        """
        return timedelta(
            microseconds=self.starts_us if self.group < STATUS_GROUPS.index("finished") else -self.starts_us
        )


class SlugCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key in a list ordered by slug."""

    slug: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]


class DistanceCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key in a list ordered by distance, then by id."""

    km: Annotated[float, msgspec.Meta(ge=0, le=20_038.0)]
    id: CursorId
