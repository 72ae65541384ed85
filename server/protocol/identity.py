"""Who speaks, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "moderator", "admin"]
ROLES: tuple[str, ...] = ("user", "moderator", "admin")  # each may do what those before it may

COOKIE = "mysetlist_session"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, and the role that the token or key gives.

    Takes: is_key, an API key said so: good for what its user does, not for what would outlive the key or its user
    """

    user_id: int
    role: str
    is_key: bool = False

    def may(self, role: str) -> bool:
        """Whether this is at least a `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)
