"""The sessions that were ended before they expired, in the memory of each node: no request asks the database for them."""

from __future__ import annotations

import math

from server.clock import Clock
from server.people.queries import ended_sessions as queries
from server.protocol.identity import Identity
from server.store.database import Database

# How often all ended sessions are read again. This also forgets the sessions whose tokens have expired.
RELOAD_S = 3_600.0
# How far back each read looks. A transaction lasts 15 s at most, so no read misses a session that is committed late.
OVERLAP_S = 60.0
ENDED_MAX = 200_000


class EndedSessions:
    """Says whether the session of an identity was ended. Call `load` once before use, and then about once a second.

    Takes: database, of the writer role
    """

    def __init__(self, database: Database, clock: Clock, *, count_max: int = ENDED_MAX) -> None:
        self._database = database
        self._clock = clock
        self._count_max = count_max
        self._session_ids: set[int] = set()
        self._user_ids: set[int] = set()  # users whose tokens without a session have ended
        # The sessions and users that this node ended since the last read began. That read may not have seen them.
        self._own_session_ids: set[int] = set()
        self._own_user_ids: set[int] = set()
        self._reloaded_s = self._loaded_s = -math.inf

    def holds(self, identity: Identity) -> bool:
        """Whether the session of this identity was ended. API keys and tokens of identity providers have no session."""
        if identity.session_id is not None:
            return identity.session_id in self._session_ids
        return identity.user_id in self._user_ids and identity.key_hash is None and identity.issuer is None

    def add(self, *session_ids: int) -> None:
        """Adds sessions that this node itself ended."""
        self._session_ids.update(session_ids)
        self._own_session_ids.update(session_ids)

    def add_unlisted(self, user_id: int) -> None:
        """Adds all tokens of a user that name no session."""
        self._user_ids.add(user_id)
        self._own_user_ids.add(user_id)

    async def load(self) -> None:
        """Reads the sessions that ended lately; all at first, once an hour, and after half of OVERLAP_S without an answer.

        Raises: StoreUnavailable
        """
        now_s = self._clock.monotonic_s()
        reads_all = now_s - self._reloaded_s > RELOAD_S or now_s - self._loaded_s > OVERLAP_S / 2
        self._own_session_ids, self._own_user_ids = set(), set()
        async with self._database.connection() as connection:
            row = await queries.ended_sessions(
                connection, within_s=None if reads_all else OVERLAP_S, count=self._count_max
            )
        if reads_all:
            self._session_ids, self._user_ids = self._own_session_ids.copy(), self._own_user_ids.copy()
            self._reloaded_s = now_s
        self._session_ids.update(row["session_ids"])
        self._user_ids.update(row["user_ids"])
        self._loaded_s = now_s
