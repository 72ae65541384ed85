"""Channel names: `kind:id`, or `kind` alone."""

from __future__ import annotations

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.embargo import Audience
from server.protocol.positions import EXACT_MAX

# The subject of each kind's id; None: the kind has one channel without an id.
SUBJECTS: dict[str, str | None] = {
    "votes": "show",
    "song": "song",  # of a setlist
    "setlist": "show",
    "status": "show",
    "attendance": "show",
    "followers": "artist",
    "trending": None,
    "activity": None,
    "overview": None,
}
# Channels that are not for everybody, whatever their state.
CHANNEL_AUDIENCES = {"overview": Audience.ADMINS}
# The events that `activity` keeps.
ACTIVITY_EVENTS_MAX = 50
SHOW_KINDS = tuple(kind for kind, subject in SUBJECTS.items() if subject == "show")

_NAMES = ", ".join(kind if subject is None else f"{kind}:<{subject}>" for kind, subject in SUBJECTS.items())


def parse_channel(name: str) -> tuple[str, int]:
    """A channel's kind and the id of its subject, 0 if the kind has none.

    Raises: Refused: not_found, the kind is unknown or the id is malformed
    """
    kind, colon, number = name.partition(":")
    if kind in SUBJECTS and SUBJECTS[kind] is None and not colon:
        return kind, 0
    if SUBJECTS.get(kind) is None or not (number.isascii() and number.isdigit()) or number[0] == "0":
        raise Refused(Code.NOT_FOUND, f"No such channel. Channels are {_NAMES}.")
    subject = int(number)
    if subject > EXACT_MAX:
        raise no_such(kind)
    return kind, subject


def no_such(kind: str) -> Refused:
    """The refusal of a channel whose subject does not exist."""
    return Refused(Code.NOT_FOUND, f"No such {SUBJECTS[kind]}.")
