"""Names of fans in logs: each follows from a secret of the fan and the show, and nobody can tell it without the secret.

An erasure deletes the secret. PostgreSQL calculates the same names (`ledger_name`), for receipts, exports and erasures.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from server.errors import StoreUnavailable
from server.ledger.entries import FAN_BYTES
from server.ledger.queries import sequencer as queries

SECRET_BYTES = 32
SHOW_BYTES = 8
# Of secrets, and of names.
KNOWN_MAX = 100_000


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

    async def learn(self, connection: Any, users: set[int]) -> set[int]:
        """Reads the secrets of fans, and makes those that are missing.

        Gives:  fans who are erased, and have no name any more
        Raises: StoreUnavailable: one of the fans is being erased
        """
        unknown = sorted(users - self._secrets.keys())
        if not unknown:
            return set()
        if len(self._secrets) + len(unknown) > KNOWN_MAX:
            self.forget()
            unknown = sorted(users)
        async for row in queries.put_secrets(
            connection, user_ids=unknown, secrets=[secrets.token_bytes(SECRET_BYTES) for _ in unknown]
        ):
            self._secrets[row["user_id"]] = row["secret"]
            if row["show_ids"]:
                self._given[row["user_id"]] = dict(zip(row["show_ids"], row["names"], strict=True))
        missing = users - self._secrets.keys()
        if missing and await queries.users_left(connection, user_ids=list(missing)):
            raise StoreUnavailable("a fan is being erased")
        return missing

    def of(self, show: int, users: set[int]) -> Mapping[int, bytes]:
        """The names in the log of a show, of those of these fans that are still there, and of others."""
        if self._name_count > KNOWN_MAX:
            self._names, self._name_count = {}, 0
        names = self._names.setdefault(show, {})
        of_show, known = show.to_bytes(SHOW_BYTES), self._secrets
        new = {user: name_of(known[user], of_show) for user in users - names.keys() if user in known}
        for user in self._given.keys() & new.keys():
            new[user] = self._given[user].get(show, new[user])
        names |= new
        self._name_count += len(new)
        return names


def name_of(secret: bytes, show: bytes) -> bytes:
    """The name that follows from a secret, and a show in eight bytes, big-endian."""
    return sha256(secret + show).digest()[:FAN_BYTES]
