"""The codes of tickets: how they are made, which ones are hard to guess, and how they are hashed (docs/adr/0015)."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from server.errors import Refused
from server.people.queries import tickets as queries
from server.protocol.codes import Code
from server.store.chores import Chore

if TYPE_CHECKING:
    from server.store.database import Connection

# Crockford's base 32, which has no letters that look like digits. A code has 60 bits in three groups of four.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans("OIL", "011")
CODE_CHARS_MIN = 8
CODE_CHARS_MAX = 24
# Of a given code: eight letters and digits, nine letters, or thirteen digits.
CODE_BITS_MIN = 40
DIFFERENT_CHARS_MIN = 3
# Between neighbours of a list. With the budget of wrong codes, a guesser finds one of such codes in years.
GAP_BITS_MIN = 28
KEYED_AT_ONCE = 1_000

_WANTED = (
    "Wanted: random codes of 8 or more letters and digits, of 9 or more letters, or of 13 or more digits. "
    "Or let the server make them: give `make` instead of `codes`."
)


def make_code() -> str:
    """Makes a new code in its printed form: "7K3M-9QXD-T2AB"."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def plain_code(code: str) -> str:
    """A code without what does not matter: case, spaces, dashes, and letters that look like digits.

    Raises: Refused: bad_request, the code is too short or has characters other than letters and digits
    """
    plain = code.replace("-", "").replace(" ", "").upper().translate(_LOOKALIKES)
    if not (plain.isascii() and plain.isalnum() and len(plain) >= CODE_CHARS_MIN):
        raise Refused(
            Code.BAD_REQUEST,
            f"A ticket code has {CODE_CHARS_MIN} or more letters and digits. Check the code on your ticket.",
        )
    return plain


def refuse_guessable(codes: Sequence[str]) -> None:
    """Refuses given codes that somebody could guess: a short one, one of few characters, or a list in which codes follow
    each other.

    Raises: Refused: bad_request, with the code and the wanted form
    """
    plain = sorted({plain_code(code) for code in codes})
    # A list of random codes has some without a digit, so the list says which characters a code may have.
    characters = "".join(plain)
    choices = 10 if characters.isdecimal() else 26 if characters.isalpha() else len(_ALPHABET)
    for code in plain:
        if len(code) * math.log2(choices) < CODE_BITS_MIN or len(set(code)) < DIFFERENT_CHARS_MIN:
            raise Refused(Code.BAD_REQUEST, f"The code {code!r} is too easy to guess. {_WANTED}")
    numbers = sorted(int(code, 10 if characters.isdecimal() else 36) for code in plain)
    gaps = [after - before for before, after in pairwise(numbers)]
    if gaps and median(gaps) < 2**GAP_BITS_MIN:
        message = (
            f"These codes are too close together: who knows one guesses the next, as in {plain[0]!r} and {plain[1]!r}."
        )
        raise Refused(Code.BAD_REQUEST, f"{message} {_WANTED}")


def unkeyed_hash(show_id: int, code: str) -> bytes:
    """Hashes a code of a show, as an older version stored it.

    Raises: Refused: bad_request
    """
    return hashlib.sha256(f"{show_id}:{plain_code(code)}".encode()).digest()


def keyed_hash(secret: str, unkeyed: bytes) -> bytes:
    """Hashes a hash with the secret of the nodes. Without the secret, a copy of the database helps nobody to guess codes."""
    return hmac.digest(secret.encode(), b"ticket:" + unkeyed, hashlib.sha256)


def keying_of(secret: str) -> Chore:
    """The chore that replaces the hashes of an older version."""

    async def key_codes(connection: Connection) -> None:
        while rows := [row async for row in queries.unkeyed_codes(connection, count=KEYED_AT_ONCE)]:
            await queries.key_codes(
                connection,
                show_ids=[row["show_id"] for row in rows],
                unkeyed_hashes=[row["code_hash"] for row in rows],
                code_hashes=[keyed_hash(secret, row["code_hash"]) for row in rows],
            )

    return Chore("ticket-codes", 60.0, key_codes)
