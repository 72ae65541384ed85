"""Names of fans in logs: each follows from a secret of the fan and the show, and nobody can tell it without the secret.

An erasure deletes the secret. A name is the first 16 bytes of SHA-256 over the secret and the show, in eight bytes,
big-endian; PostgreSQL calculates the same (`ledger_name`), for receipts, exports and erasures.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from server.errors import StoreUnavailable
from server.ledger.entries import FAN_BYTES
from server.ledger.queries import sequencer as queries

SECRET_BYTES = 32
SHOW_BYTES = 8
# Of secrets, and of names.
KNOWN_MAX = 100_000

_SECRET = struct.Struct(f">q{SECRET_BYTES}s")


class FanNames:
    """The secrets and names that a sequencer knows. It must forget them when a transaction that has made secrets is undone."""

    def __init__(self) -> None:
        self._secrets: dict[int, bytes] = {}
        # Of fans who were in ledgers before they had a secret: user -> show -> name.
        self._given: dict[int, dict[int, bytes]] = {}
        self._names: dict[int, dict[int, bytes]] = {}  # show -> user -> name
        self._name_count = 0

    def forget(self) -> None:
        """Forgets everything."""
        self._secrets, self._given = {}, {}
        self._names, self._name_count = {}, 0

    async def of(self, connection: Any, fans: Mapping[int, Sequence[int]]) -> Mapping[int, Sequence[bytes | None]]:
        """The names of fans in the logs of shows. Secrets that are missing are made.

        Takes:  fans, of each show, some of them several times
        Gives:  of each show the names of its fans in their order; None: the fan is erased, and has no name any more
        Raises: StoreUnavailable: one of the fans is being erased
        Cost:   one look into the names of the show for each fan; a hash for each that is new there
        """
        if self._name_count > KNOWN_MAX:
            self._names, self._name_count = {}, 0
        names = {show: self._known(show, users) for show, users in fans.items()}
        missing = {
            show: [place for place, name in enumerate(found) if name is None]
            for show, found in names.items()
            if not all(found)
        }
        if not missing:
            return names
        new = {show: {fans[show][place] for place in places} for show, places in missing.items()}
        unknown = set[int]().union(*new.values()).difference(self._secrets)
        if len(self._secrets) + len(unknown) > KNOWN_MAX:
            self.forget()
            new = {show: set(users) for show, users in fans.items()}
            unknown = set[int]().union(*new.values())
        gone = await self._learn(connection, unknown)
        for show, users in new.items():
            made = self._made(show, users - gone)
            self._names.setdefault(show, {}).update(made)
            self._name_count += len(made)
            for place in missing.get(show, ()):
                names[show][place] = made.get(fans[show][place])
            # Others have the event loop between two shows.
            await asyncio.sleep(0)
        return names

    def _known(self, show: int, users: Sequence[int]) -> list[bytes | None]:
        return list(map(self._names.setdefault(show, {}).get, users))

    async def _learn(self, connection: Any, users: set[int]) -> set[int]:
        """Reads the secrets of fans, and makes those that are missing. Gives: the fans who are erased."""
        if not users:
            return set()
        made = secrets.token_bytes(SECRET_BYTES * len(users))
        async for row in queries.put_secrets(connection, user_ids=sorted(users), secrets=made):
            if row["user_id"] is None:
                self._secrets.update(_SECRET.iter_unpack(row["secrets"] or b""))
            else:
                self._secrets[row["user_id"]] = row["secrets"]
                self._given[row["user_id"]] = dict(zip(row["show_ids"], row["names"], strict=True))
        missing = users.difference(self._secrets)
        if missing and await queries.users_left(connection, user_ids=list(missing)):
            raise StoreUnavailable("a fan is being erased")
        return missing

    def _made(self, show: int, users: set[int]) -> dict[int, bytes]:
        """Names of fans whose secrets are known, in the log of a show."""
        of_show, known = show.to_bytes(SHOW_BYTES), self._secrets
        made = {user: sha256(known[user] + of_show).digest()[:FAN_BYTES] for user in users}
        for user in self._given.keys() & users:
            made[user] = self._given[user].get(show, made[user])
        return made
