"""The declaration of an HTTP route. The server serves it, and the OpenAPI document describes it, from the same object."""

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
    """One request, decoded and admitted.

    Takes: query and body, of the types that the endpoint declares (None: it declares none, or an optional body was left
           out); address, of the client, as limits count it; is_gone, whether the client has disconnected; agent, the
           User-Agent of the client; language, the tag of the language that the client reads; host, as the client names this service
    """

    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    identity: Identity | None = None
    address: str = ""
    is_gone: Callable[[], bool] = lambda: False
    agent: str = ""
    language: Callable[[], str] = lambda: "en"
    host: str = ""

    @property
    def user(self) -> Identity:
        """The signed-in user, at an endpoint that needs one."""
        assert self.identity is not None
        return self.identity

    def id(self, name: str) -> int:
        """The id in the path under this name.

        Raises: Refused: not_found, the text is no id
        """
        number = parse_id(self.path[name])
        if number is None:
            raise Refused(Code.NOT_FOUND, f"No such {name.replace('_', ' ')}.")
        return number

    def reference(self, name: str) -> Reference:
        """The id or slug in the path under this name."""
        return parse_reference(self.path[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a handler.

    Takes: document, an object that msgspec encodes to JSON, or bytes that are sent unchanged; session, the token for the
           session cookie, "" to delete it
    """

    document: Any = None
    status: int | None = None  # None: the endpoint's
    headers: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    media_type: str | None = None  # None: the endpoint's


Handler = Callable[[Call], Awaitable[Answer]]

# Reads of one kind take turns (server/store/turns.py), so that none of them takes the database from the others.
ReadKind = Literal["own", "catalogue", "search", "statistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route.

    Takes:  path, with {names}; access, the least role that may call it; answer, the type of the JSON answer (None: no body);
            query and body, types that are decoded before the handler runs (unknown fields are ignored);
            codes, its refusals beyond those that follow from the other fields; slugs, the names in the path that take a
            slug as well as an id; secrets, those that take a secret code and no id; rests, those that take the rest of the path, slashes included; is_revalidated, clients may keep the answer and ask with its ETag whether it changed;
            read, the kind of an expensive read; "free": it does not read PostgreSQL; None: as `read_kind`; description,
            added to the summary in the OpenAPI document; other_status, with other_answer (None: the same type), and
            other_media_type (of a text): alternatives that the handler may choose
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    summary: str
    answer: Any = None
    status: int = 200
    other_status: int | None = None
    other_answer: Any = None
    media_type: str = "application/json"
    other_media_type: str | None = None
    access: Literal["anyone"] | Role = "anyone"
    query: type[msgspec.Struct] | None = None
    body: Any = None
    body_is_optional: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    codes: tuple[Code, ...] = ()
    slugs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()
    is_revalidated: bool = False
    read: ReadKind | Literal["free"] | None = None
    description: str = ""

    @property
    def read_kind(self) -> ReadKind | None:
        """The kind of reads among which it takes turns; None: it takes no turns, like writes and what is for staff."""
        if self.read == "free" or self.method != "GET":
            return None
        if self.read is not None:
            return self.read
        return "catalogue" if self.access == "anyone" else "own" if self.access == "user" else None
