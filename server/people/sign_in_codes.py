"""Signing in on another device: a code on the device that is signed in, typed on the other one.

A code works once and for five minutes, and a fan has one at a time. The database has its hash only. Eight letters and digits of an
alphabet without those that look alike have 39 bits; with the budgets of wrong codes nobody finds one of a thousand in years. Accounts
of staff have no codes: somebody could be talked into reading one out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated, Protocol

import msgspec

from server.errors import Refused
from server.people.queries import sessions as queries
from server.people.session_routes import SessionAnswer, SessionRoutes
from server.people.sessions import TOKEN_TTL_S, OpenSession, device_of
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.instants import iso, ms_of
from server.store.database import Database

CODE_TTL_S = 300
CODE_CHARS = 8
# No 0, 1, I, L, O and U.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_TYPED_CHARS_MAX = 24


class SignInCode(msgspec.Struct, frozen=True):
    """A code in the form in which people read it, "7K3M-9QXD", and its end."""

    code: str
    expires_at: str


class CodeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The code of the other device; case, spaces and hyphens do not matter. `replaces`: the user who is signed in now, if this
    sign-in may replace them.
    """

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=_TYPED_CHARS_MAX)]
    replaces: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] | None = None


class CodeLimits(Protocol):
    """Limits wrong codes, over all nodes (node.RateLimits). Raises Refused(rate_limited, unavailable)."""

    async def check_sign_in_code(self, address: str, /) -> None:
        """Refuses an address while it, or everyone, had too many wrong codes."""

    async def count_wrong_sign_in_code(self, address: str, /) -> None:
        """Counts a wrong code."""


class SignInCodeRoutes:
    """The endpoints of codes.

    Takes: limits, of wrong codes; sessions, which signs in and out
    """

    def __init__(self, database: Database, secret: str, limits: CodeLimits, sessions: SessionRoutes) -> None:
        self._database = database
        self._secret = secret
        self._limits = limits
        self._sessions = sessions

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="POST", path="/api/me/sign-in-code", handler=self.post_code, access="user", status=201,
                answer=SignInCode, codes=(Code.FORBIDDEN,),
                summary="Make a code that signs you in on another device, once and within five minutes. An older code ends.",
            ),
            Endpoint(
                method="POST", path="/api/session/code", handler=self.post_session, body=CodeBody, answer=SessionAnswer,
                status=201, codes=(Code.UNAUTHENTICATED, Code.CONFLICT),
                summary="Sign in with the code of another device. Replaces a signed-in user only when `replaces` names them.",
            ),
        ]  # fmt: skip

    async def post_code(self, call: Call) -> Answer:
        """`POST /api/me/sign-in-code`."""
        user = call.user
        if user.is_key or user.issuer is not None:
            message = "Only a fan who is signed in gets a code. An API key or an identity provider signs in by itself."
            raise Refused(Code.FORBIDDEN, message)
        code = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_CHARS))
        async with self._database.acting(user) as connection:
            until = await queries.make_code(connection, code_hash=hash_code(self._secret, code), ttl_s=CODE_TTL_S)
        if until is None:
            raise Refused(Code.FORBIDDEN, "Accounts of staff get no code. Sign in there with a sign-in link.")
        return Answer(document=SignInCode(f"{code[:4]}-{code[4:]}", iso(until)), status=201)

    async def post_session(self, call: Call) -> Answer:
        """`POST /api/session/code`."""
        before, body = call.identity, call.body
        if before is not None and body.replaces != before.user_id:
            message = (
                f"Account {before.user_id} ({before.role}) is signed in here. Sign out first, or confirm that this sign-in "
                "replaces it."
            )
            raise Refused(Code.CONFLICT, message)
        await self._limits.check_sign_in_code(call.address)
        code = plain_code(body.code)
        async with self._database.connection() as connection:
            row = await queries.open_code(
                connection,
                code_hash=hash_code(self._secret, code),
                device=device_of(call.agent),
                ttl_s=TOKEN_TTL_S,
            )
        if row is None:
            await self._limits.count_wrong_sign_in_code(call.address)
            raise Refused(
                Code.UNAUTHENTICATED,
                "This code is wrong, was used before, or is over. Make a new one on the other device.",
            )
        if before is not None:
            await self._sessions.end_current(before)
        return self._sessions.signed_in(
            OpenSession(row["user_id"], row["role"], row["session_id"], ms_of(row["expires_at"]))
        )


def plain_code(typed: str) -> str:
    """A code without what does not matter: case, spaces and hyphens.

    Raises: Refused: bad_request, it cannot be a code
    """
    code = "".join(typed.split()).replace("-", "").upper()
    if len(code) != CODE_CHARS or not set(code) <= set(_ALPHABET):
        message = f"A code has {CODE_CHARS} letters and digits, without 0, 1, I, L, O and U. Check what you typed."
        raise Refused(Code.BAD_REQUEST, message)
    return code


def hash_code(secret: str, code: str) -> bytes:
    """Hashes a code with the secret of the nodes. Without the secret, a copy of the database helps nobody to guess codes."""
    return hmac.digest(secret.encode(), b"sign-in-code:" + code.encode(), hashlib.sha256)
