"""Sessions: accounts, and signed tokens (JWT, RFC 7519, HS256) that prove an identity without a database lookup."""

from __future__ import annotations

import time

import jwt
import structlog

from server.errors import Refused
from server.people.oidc import Claims
from server.people.queries import sessions as queries
from server.protocol.codes import Code
from server.protocol.identity import ROLES, Identity
from server.protocol.ids import parse_id
from server.store.database import Database

log = structlog.get_logger()

TOKEN_TTL_S = 90 * 24 * 3600
SIGN_IN_TTL_S = 3600
_AUDIENCE = "mysetlist"


async def fetch_installation(database: Database) -> str:
    """Gives the id of the database, which the first node makes: with a user's id it tells who a browser's waiting votes belong to.

    Takes:  database, of the owner
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        await queries.make_installation(connection)
        installation: str = await queries.fetch_installation(connection)
    return installation


async def sign_up(database: Database) -> int:
    """Creates an anonymous user, and gives the id.

    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        user_id: int = await queries.sign_up(connection)
    return user_id


async def fetch_role(database: Database, identity: Identity) -> str | None:
    """Fetches the current role of a user; None: the account is gone.

    Raises: StoreUnavailable
    """
    async with database.acting(identity) as connection:
        role: str | None = await queries.fetch_role(connection, user_id=identity.user_id)
    return role


async def renew_account(database: Database, identity: Identity) -> str | None:
    """Extends the life of an account to that of a new token, and gives its role; None: the account is gone.

    Raises: StoreUnavailable
    """
    async with database.acting(identity) as connection:
        role: str | None = await queries.renew_account(connection, ttl_s=TOKEN_TTL_S)
    return role


async def create_user(database: Database, role: str, ttl_s: int) -> int:
    """Creates a user with a role, and gives the id.

    Takes:  database, of the owner, because the request role may not set roles; ttl_s, the life of the token for the user
    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        user_id: int = await queries.insert_user(connection, role=role, ttl_s=ttl_s)
    return user_id


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
            await queries.update_role(connection, user_id=user_id, role=claims.role)
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
        user_id = await queries.insert_first_admin(connection)
    if user_id is None:
        return None
    return f"{url}/signin?token={mint_token(secret, user_id, 'admin', SIGN_IN_TTL_S)}"


def mint_token(secret: str, user_id: int, role: str, ttl_s: int = TOKEN_TTL_S) -> str:
    """Creates a signed token that is valid for `ttl_s` seconds."""
    now = int(time.time())
    claims = {"sub": str(user_id), "role": role, "aud": _AUDIENCE, "iat": now, "exp": now + ttl_s}
    return jwt.encode(claims, secret, algorithm="HS256")


def verify_token(secret: str, token: str) -> Identity:
    """Verifies a token and gives its identity.

    Raises: Refused: unauthenticated, the token is expired, forged or malformed
    """
    try:
        # iat is not compared: the clock of the node that signed the token may be ahead of this one's.
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=_AUDIENCE,
            options={"require": ["sub", "exp", "role"], "verify_iat": False},
        )
        user_id = parse_id(claims["sub"])
    except jwt.ExpiredSignatureError:
        raise Refused(Code.UNAUTHENTICATED, "The token has expired. Sign in again.") from None
    except (jwt.InvalidTokenError, ValueError):
        # ValueError: the token has a lone surrogate, which JSON may hold and UTF-8 may not.
        raise Refused(Code.UNAUTHENTICATED, "The token is not valid. Sign in again.") from None
    if user_id is None or claims["role"] not in ROLES:
        raise Refused(Code.UNAUTHENTICATED, "The token is not valid. Sign in again.")
    return Identity(user_id, claims["role"], expires_ms=int(claims["exp"]) * 1000)
