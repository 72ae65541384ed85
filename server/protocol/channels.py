"""Channel names: `kind:id`, or `kind` alone."""

from __future__ import annotations

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.positions import EXACT_MAX

# What the id of each kind is an id of; none: there is one channel of the kind.
SUBJECTS: dict[str, str | None] = {
    "votes": "show",
    "song": "song",  # of a setlist
    "setlist": "show",
    "status": "show",
    "attendance": "show",
    "followers": "artist",
    "trending": None,
    "activity": None,
}
# How many events `activity` keeps.
ACTIVITY_EVENTS_MAX = 50
SHOW_KINDS = tuple(kind for kind, subject in SUBJECTS.items() if subject == "show")

_NAMES = ", ".join(kind if subject is None else f"{kind}:<{subject}>" for kind, subject in SUBJECTS.items())


def parse_channel(name: str) -> tuple[str, int]:
    """A channel's kind and the id of what it is about, 0 when it is about everything.

    Raises: Refused: not_found, no such kind or not an id
    """
    kind, colon, number = name.partition(":")
    if kind in SUBJECTS and SUBJECTS[kind] is None and not colon:
        return kind, 0
    if SUBJECTS.get(kind) is None or not (number.isascii() and number.isdigit()) or number[0] == "0":
        raise Refused(Code.NOT_FOUND, f"No such channel; there are {_NAMES}.")
    subject = int(number)
    if subject > EXACT_MAX:
        raise no_such(kind)
    return kind, subject


def no_such(kind: str) -> Refused:
    """What refuses a channel about something that is not there."""
    return Refused(Code.NOT_FOUND, f"No such {SUBJECTS[kind]}.")
