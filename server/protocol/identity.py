"""Who speaks, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["user", "moderator", "admin"]
ROLES: tuple[str, ...] = ("user", "moderator", "admin")  # each may do what those before it may

COOKIE = "mysetlist_session"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, and the role that the token or key gives.

    Takes: key_hash, of the API key that said so, None: a token did; expires_ms, when the token ends [ms since 1970],
           None: it does not say; issuer, the identity provider whose token it was, None: ours
    """

    user_id: int
    role: str
    key_hash: bytes | None = field(default=None, repr=False)
    expires_ms: int | None = field(default=None, compare=False)
    issuer: str | None = field(default=None, compare=False)

    @property
    def is_key(self) -> bool:
        """An API key: good for what its user does, not for what would outlive the key or its user."""
        return self.key_hash is not None

    def may(self, role: str) -> bool:
        """Whether this is at least a `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)
