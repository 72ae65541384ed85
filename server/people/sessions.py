"""Sessions: accounts, and signed tokens (JWT, RFC 7519, HS256) that prove an identity without a database lookup.

A token names its session (`sid`), so that the session can be listed and ended (ended_sessions.py). Tokens that an older
version made name none; they are valid until they expire, and a renewal puts a session in their place.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec
import structlog

from server.errors import Refused
from server.people.oidc import Claims
from server.people.queries import sessions as queries
from server.protocol.codes import Code
from server.protocol.identity import ROLES, Identity
from server.protocol.ids import parse_id
from server.protocol.instants import ms_of
from server.store.database import Database

log = structlog.get_logger()

TOKEN_TTL_S = 90 * 24 * 3600
SIGN_IN_TTL_S = 3600
_AUDIENCE = "mysetlist"
# Different from the audience of sessions: a link signs in once and is no token, and a token opens no link.
_LINK_AUDIENCE = "mysetlist-sign-in"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An open session: its account, the role of the account now, and its end [ms since 1970]."""

    user_id: int
    role: str
    id: int
    expires_ms: int

    def token(self, secret: str) -> str:
        """Creates the token of this session. It ends with the session."""
        return _sign(secret, self.user_id, self.role, _AUDIENCE, expires_s=self.expires_ms // 1000, session_id=self.id)


async def fetch_installation(database: Database) -> str:
    """Gives the id of the database, which the first node makes: with a user's id it tells who a browser's waiting votes belong to.

    Takes:  database, of the owner
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        await queries.make_installation(connection)
        installation: str = await queries.fetch_installation(connection)
    return installation


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sign-up comes from, as hashes: the address, the program, and the network, the last two of one day."""

    address_hash: bytes
    agent_hash: bytes
    subnet_hash: bytes


async def sign_up(database: Database, device: str, origin: Origin) -> OpenSession:
    """Creates an anonymous user and opens a session.

    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        row = await queries.sign_up(
            connection,
            device=device,
            address_hash=origin.address_hash,
            agent_hash=origin.agent_hash,
            subnet_hash=origin.subnet_hash,
            ttl_s=TOKEN_TTL_S,
        )
    return OpenSession(row["user_id"], "user", row["session_id"], ms_of(row["expires_at"]))


async def fetch_role(database: Database, identity: Identity) -> str | None:
    """Fetches the current role of a user; None: the account is gone.

    Raises: StoreUnavailable
    """
    async with database.acting(identity) as connection:
        role: str | None = await queries.fetch_role(connection, user_id=identity.user_id)
    return role


async def renew_session(database: Database, identity: Identity, device: str) -> OpenSession | None:
    """Renews the session of a token; None: the account is gone, or the session has ended.

    Only a fan's session lasts longer afterwards. Any other ends when it would have ended without the renewal.

    Raises: StoreUnavailable
    """
    async with database.acting(identity) as connection:
        if identity.session_id is not None:
            row = await queries.renew_session(connection, session_id=identity.session_id, ttl_s=TOKEN_TTL_S)
        else:
            assert identity.expires_ms is not None
            row = await queries.adopt_token(
                connection,
                device=device,
                token_until=datetime.fromtimestamp(identity.expires_ms / 1000, UTC),
                is_fan=identity.role == "user" and identity.life_s == TOKEN_TTL_S,
                ttl_s=TOKEN_TTL_S,
            )
    return _session(identity.user_id, row)


async def open_link(database: Database, secret: str, token: str, device: str) -> OpenSession:
    """Opens the session of a sign-in link, once.

    Raises: Refused: unauthenticated, the link is not valid, was used, or is over; StoreUnavailable
    """
    link = _verify(secret, token, _LINK_AUDIENCE, when_expired="This link is over. Ask for a new sign-in link.")
    if link is None or link.session_id is None:
        raise Refused(Code.UNAUTHENTICATED, "This is no sign-in link, or it is not complete. Copy the whole link.")
    async with database.acting(link) as connection:
        row = await queries.open_link(connection, session_id=link.session_id, device=device, ttl_s=TOKEN_TTL_S)
    opened = _session(link.user_id, row)
    if opened is None:
        raise Refused(Code.UNAUTHENTICATED, "This link was used before, or it is over. Ask for a new sign-in link.")
    return opened


async def create_user(database: Database, secret: str, role: str, ttl_s: int, maker: str) -> str:
    """Creates a user with a role, and gives a token that is valid for `ttl_s` seconds.

    Takes:  database, of the owner, because the request role may not set roles; maker, whom the audit log names
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        row = await _insert_user(connection, role, "command", ttl_s, maker)
    return mint_token(secret, row["user_id"], role, ttl_s, session_id=row["session_id"])


async def create_link(database: Database, secret: str, role: str, url: str, maker: str) -> str:
    """Creates a user with a role, and gives a link that signs in as this user, once and within an hour.

    Takes:  as create_user; url, of the page
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        row = await _insert_user(connection, role, "link", SIGN_IN_TTL_S, maker)
    return _link(secret, url, row, role)


async def sign_in_with_claims(requests: Database, owner: Database, claims: Claims, now_ms: int) -> Identity:
    """Finds or creates the account of a user of an identity provider.

    If the claims give a role, the account gets this role, higher or lower. Otherwise it keeps its own.

    Takes:  owner, the database of the owner, because the request role may not set roles
    Raises: StoreUnavailable
    """
    ttl_s = (claims.expires_ms - now_ms) / 1000
    async with requests.connection() as connection:
        row = await queries.sign_in_as(connection, issuer=claims.issuer, subject=claims.subject, ttl_s=ttl_s)
    user_id, role = row["user_id"], row["role"]
    if claims.role is not None and claims.role != role:
        async with owner.connection() as connection:
            await queries.update_role(connection, user_id=user_id, role=claims.role, issuer=claims.issuer)
        log.info("account.role_from_claims", user=user_id, role=claims.role)
        role = claims.role
    return Identity(user_id, role)


async def first_admin_link(database: Database, secret: str, url: str) -> str | None:
    """Creates the first administrator, and gives a link to sign in; None: an administrator exists.

    Raises: StoreUnavailable
    """
    async with database.transaction() as connection:
        async for _ in queries.lock_first_admin(connection):
            pass
        if await queries.has_admin(connection):
            return None
        row = await _insert_user(connection, "admin", "link", SIGN_IN_TTL_S, "the first start")
    return _link(secret, url, row, "admin")


def mint_token(secret: str, user_id: int, role: str, ttl_s: int = TOKEN_TTL_S, *, session_id: int | None = None) -> str:
    """Creates a signed token that is valid for `ttl_s` seconds. Takes: session_id, None: as an older version made them."""
    return _sign(secret, user_id, role, _AUDIENCE, expires_s=int(time.time()) + ttl_s, session_id=session_id)


def verify_token(secret: str, token: str) -> Identity:
    """Verifies a token and gives its identity.

    Raises: Refused: unauthenticated, the token is expired, forged or malformed
    """
    identity = _verify(secret, token, _AUDIENCE, when_expired="The token has expired. Sign in again.")
    if identity is None:
        raise Refused(Code.UNAUTHENTICATED, "The token is not valid. Sign in again.")
    return identity


def device_of(user_agent: str) -> str:
    """A short name of the program behind a User-Agent, for the list of sessions: "Firefox on Android"."""
    programs = {
        "Edg": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox",
        "Chrome": "Chrome", "CriOS": "Chrome", "Safari": "Safari",
    }  # fmt: skip
    systems = {
        "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "CrOS": "ChromeOS",
        "Mac OS": "macOS", "Linux": "Linux",
    }  # fmt: skip
    program = next((name for sign, name in programs.items() if f"{sign}/" in user_agent), "")
    system = next((name for sign, name in systems.items() if sign in user_agent), "")
    return f"{program} on {system}" if program and system else program or system


async def _insert_user(connection: Any, role: str, kind: str, ttl_s: int, maker: str) -> Any:
    detail = msgspec.json.encode({"role": role, "by": maker, "sign_in": kind, "ttl_s": ttl_s}).decode()
    return await queries.insert_user(connection, role=role, kind=kind, ttl_s=ttl_s, detail=detail)


def _link(secret: str, url: str, row: Any, role: str) -> str:
    expires_s = int(time.time()) + SIGN_IN_TTL_S
    token = _sign(secret, row["user_id"], role, _LINK_AUDIENCE, expires_s=expires_s, session_id=row["session_id"])
    # A fragment is not sent to servers, so no proxy logs it.
    return f"{url}/signin#token={token}"


def _session(user_id: int, row: Any) -> OpenSession | None:
    return None if row is None else OpenSession(user_id, row["role"], row["session_id"], ms_of(row["expires_at"]))


def _sign(secret: str, user_id: int, role: str, audience: str, *, expires_s: int, session_id: int | None) -> str:
    claims = {"sub": str(user_id), "role": role, "aud": audience, "iat": int(time.time()), "exp": expires_s}
    if session_id is not None:
        claims["sid"] = session_id
    return jwt.encode(claims, secret, algorithm="HS256")


def _verify(secret: str, token: str, audience: str, *, when_expired: str) -> Identity | None:
    """Gives the identity of a token for this audience; None: it is forged or malformed.

    Raises: Refused: unauthenticated, it has expired
    """
    try:
        # iat is not compared: the clock of the node that signed the token may be ahead of this one's.
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=audience,
            options={"require": ["sub", "exp", "role"], "verify_iat": False},
        )
        user_id = parse_id(claims["sub"])
    except jwt.ExpiredSignatureError:
        raise Refused(Code.UNAUTHENTICATED, when_expired) from None
    except (jwt.InvalidTokenError, ValueError):
        # ValueError: the token has a lone surrogate, which JSON may hold and UTF-8 may not.
        return None
    session_id = claims.get("sid")
    if user_id is None or claims["role"] not in ROLES or not isinstance(session_id, int | None):
        return None
    expires_s = int(claims["exp"])
    life_s = expires_s - int(claims.get("iat", expires_s))
    return Identity(user_id, claims["role"], session_id=session_id, expires_ms=expires_s * 1000, life_s=life_s)
