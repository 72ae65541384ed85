"""Names of time zones."""

from __future__ import annotations

import functools
import re
import zoneinfo

# Names in the database of time zones that stand for no place.
_ZONE = re.compile(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+)*")
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})


def canonical_zone(text: str) -> str | None:
    """The name of a time zone in the spelling of the database of time zones; None: there is no such place."""
    return _zones().get(text.casefold())


@functools.cache
def _zones() -> dict[str, str]:
    # Listing the zones reads their folder, which takes 25 ms. The table of venues takes names of places only.
    return {zone.casefold(): zone for zone in zoneinfo.available_timezones() - _NO_ZONES if _ZONE.fullmatch(zone)}
