"""The identity of a client, and its rights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["user", "moderator", "admin"]
ROLES: tuple[str, ...] = ("user", "moderator", "admin")  # each has the rights of those before it

COOKIE = "mysetlist_session"
# Over TLS. A browser takes a cookie of this name only over TLS, from this host, for all paths (RFC 6265bis, section 4.1.3).
SECURE_COOKIE = "__Host-mysetlist_session"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, and the role that the user's token or API key gives.

    Takes: key_hash, of the API key; None: the user has a token
           expires_ms, when the token expires [ms since 1970]; None: never
           issuer, the identity provider that issued the token; None: this service
           session_id, of the session that the token names; None: none, as in tokens of an older version
           life_s, the time from the making of the token to its end
    """

    user_id: int
    role: str
    key_hash: bytes | None = field(default=None, repr=False)
    expires_ms: int | None = field(default=None, compare=False)
    issuer: str | None = field(default=None, compare=False)
    session_id: int | None = None
    life_s: int = field(default=0, compare=False)

    @property
    def is_key(self) -> bool:
        """Whether an API key was used. A key acts for its user, but may start nothing that outlives the key or the user."""
        return self.key_hash is not None

    def may(self, role: str) -> bool:
        """Whether this role has the rights of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)
