"""What an HTTP route is, said once: the server serves it and the OpenAPI document describes it from the same words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.http.parameters import Reference, parse_reference
from server.protocol.identity import Identity, Role
from server.protocol.ids import parse_id

BODY_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, decoded and let in.

    Takes: query and body, of the types the endpoint names (None: it names none, or the body may be left out and was);
           address, where it comes from, as limits count it
    """

    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    identity: Identity | None = None
    address: str = ""

    @property
    def user(self) -> Identity:
        """Who asks, at an endpoint that nobody reaches without signing in."""
        assert self.identity is not None
        return self.identity

    def id(self, name: str) -> int:
        """The id in the path.

        Raises: Refused: not_found, what stands there is none
        """
        number = parse_id(self.path[name])
        if number is None:
            raise Refused(Code.NOT_FOUND, f"No such {name.replace('_', ' ')}.")
        return number

    def reference(self, name: str) -> Reference:
        """The id or slug in the path."""
        return parse_reference(self.path[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a handler gives.

    Takes: document, what msgspec encodes to JSON, or bytes that are sent as they are; session, a token to keep as the
           session cookie, "" to forget it
    """

    document: Any = None
    status: int | None = None  # None: the endpoint's
    headers: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    media_type: str | None = None  # None: the endpoint's


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route.

    Takes:  path, with {names}; access, who may call it; answer, the type of the JSON that is sent (None: no body);
            query and body, what is read from the request before the handler sees it (unknown fields are ignored);
            codes, what it may refuse with beyond what follows from the rest; slugs, the names in the path that take a
            slug as well as an id; is_revalidated, clients may keep the answer and ask whether it is still so;
            description, for the document, what the summary does not say; other_status, with which the same answer
            comes when the handler says so; other_media_type, in which it comes as a text when the handler says so
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    summary: str
    answer: Any = None
    status: int = 200
    other_status: int | None = None
    media_type: str = "application/json"
    other_media_type: str | None = None
    access: Literal["anyone"] | Role = "anyone"
    query: type[msgspec.Struct] | None = None
    body: Any = None
    body_is_optional: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    codes: tuple[Code, ...] = ()
    slugs: tuple[str, ...] = ()
    is_revalidated: bool = False
    description: str = ""
