"""Channel names: `kind:id`."""

from __future__ import annotations

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.positions import EXACT_MAX

SHOW_KINDS = ("votes", "setlist", "status")


def parse_channel(name: str) -> tuple[str, int]:
    """A channel's kind and the id of the show it is about.

    Raises: Refused: not_found, no such kind or not an id
    """
    kind, _, number = name.partition(":")
    if kind not in SHOW_KINDS or not (number.isascii() and number.isdigit()) or number[0] == "0":
        raise Refused(Code.NOT_FOUND, f"No such channel; there are {', '.join(f'{k}:<show>' for k in SHOW_KINDS)}.")
    show_id = int(number)
    if show_id > EXACT_MAX:
        raise Refused(Code.NOT_FOUND, "No such show.")
    return kind, show_id
