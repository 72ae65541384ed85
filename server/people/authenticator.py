"""The authenticator: finds the identity behind a token of ours, a token of an identity provider, or an API key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from server.clock import Clock
from server.errors import Refused, StoreUnavailable
from server.people.keys import KEY_PREFIX, fetch_key_identity, hash_key
from server.people.oidc import Claims, OidcVerifier, is_oidc_token
from server.people.sessions import fetch_role
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.store.database import Database

# How long a lookup is reused: revoking a key or erasing an account takes effect within this time.
LOOKUP_TTL_S = 1.0
LOOKUPS_MAX = 1_000

# An API key by its hash; a member of staff by the user id; a user of an identity provider by issuer, subject and role.
_Subject = bytes | int | tuple[str, str, str | None]


class Authenticator:
    """Authenticates bearers of tokens and API keys, and asks the database only where it is needed.

    The signature is enough for the token of a user: most requests are of users, and the rows that they change name
    their user anyway. An API key is looked up. So is the account behind a token of staff, because staff may change rows
    of others: the token never gives more than the role of the account. Each lookup is reused for LOOKUP_TTL_S.

    Takes: verify, checks the signature of a token; raises Refused(unauthenticated); has_ended, whether the session of an
           identity was ended, known without a lookup; oidc, verifies tokens of an identity
           provider, None: they are refused; sign_in, gives the identity of an account for the claims of such a token
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        verify: Callable[[str], Identity],
        *,
        has_ended: Callable[[Identity], bool],
        oidc: OidcVerifier | None = None,
        sign_in: Callable[[Claims], Awaitable[Identity]] | None = None,
        lookups_max: int = LOOKUPS_MAX,
    ) -> None:
        self._database = database
        self._clock = clock
        self._verify = verify
        self._has_ended = has_ended
        self._oidc = oidc
        self._sign_in = sign_in
        self._lookups_max = lookups_max
        # subject -> (identity, until when it is reused), oldest first
        self._lookups: dict[_Subject, tuple[Identity, float]] = {}

    async def identify(self, token: str) -> Identity:
        """Gives the identity of a token or key.

        Raises: Refused: unauthenticated; unavailable, the keys of the identity provider are not known;
                StoreUnavailable: a key or a user of the identity provider cannot be looked up
        """
        if token.startswith(KEY_PREFIX):
            key_hash = hash_key(token)
            return self._recall(key_hash) or self._remember(
                key_hash, await fetch_key_identity(self._database, key_hash)
            )
        if self._oidc is not None and is_oidc_token(token):
            return await self._identify_oidc(self._oidc, token)
        identity = self._verify(token)
        if self._has_ended(identity):
            raise Refused(Code.UNAUTHENTICATED, "This session was signed out. Sign in again.")
        if identity.role == "user":
            return identity
        account = self._recall(identity.user_id) or await self._look_up_account(identity)
        return replace(identity, role=account.role) if identity.may(account.role) else identity

    async def _identify_oidc(self, oidc: OidcVerifier, token: str) -> Identity:
        assert self._sign_in is not None
        claims = await oidc.verify(token)
        subject = (claims.issuer, claims.subject, claims.role)
        account = self._recall(subject) or self._remember(subject, await self._sign_in(claims))
        return replace(account, expires_ms=claims.expires_ms, issuer=claims.issuer)

    async def _look_up_account(self, identity: Identity) -> Identity:
        try:
            role = await fetch_role(self._database, identity)
        except StoreUnavailable:
            # Nothing can be written while PostgreSQL is down, and operators must still be able to sign in.
            return identity
        if role is None:
            raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
        return self._remember(identity.user_id, Identity(identity.user_id, role))

    def _recall(self, subject: _Subject) -> Identity | None:
        identity, until_s = self._lookups.get(subject, (None, 0.0))
        return identity if self._clock.monotonic_s() < until_s else None

    def _remember(self, subject: _Subject, identity: Identity) -> Identity:
        self._lookups.pop(subject, None)
        self._lookups[subject] = (identity, self._clock.monotonic_s() + LOOKUP_TTL_S)
        if len(self._lookups) > self._lookups_max:
            del self._lookups[next(iter(self._lookups))]
        return identity
