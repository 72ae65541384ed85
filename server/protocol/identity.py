"""The identity of a client, and its rights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["user", "moderator", "admin"]
ROLES: tuple[str, ...] = ("user", "moderator", "admin")  # each has the rights of those before it

COOKIE = "mysetlist_session"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, and the role that its token or API key gives.

    Takes: key_hash, of the API key, None: a token was used; expires_ms, the end of the token [ms since 1970], None: it has
           none; issuer, the identity provider that issued the token, None: this service
    """

    user_id: int
    role: str
    key_hash: bytes | None = field(default=None, repr=False)
    expires_ms: int | None = field(default=None, compare=False)
    issuer: str | None = field(default=None, compare=False)

    @property
    def is_key(self) -> bool:
        """Whether an API key was used: it may act for its user, but start nothing that outlives the key or the user."""
        return self.key_hash is not None

    def may(self, role: str) -> bool:
        """Whether this role has the rights of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)
