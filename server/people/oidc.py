"""OpenID Connect: verifies tokens of an identity provider with the keys that it publishes (JWKS, RFC 7517).

The keys are fetched at the start, every ten minutes, and when a token names an unknown key. So the identity provider may
rotate its keys at any time, and a removed key is refused after ten minutes at most. While the identity provider is down,
the keys fetched last stay valid.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import msgspec
import structlog

from server.clock import Clock
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.identity import ROLES

log = structlog.get_logger()

REFRESH_S = 600.0
# The shortest time between two fetches for unknown keys, because anybody can invent the name of a key.
REFETCH_S = 10.0
FETCH_TIMEOUT_S = 5.0
DOCUMENT_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
LEEWAY_S = 30  # the clock of the identity provider may differ from ours
SUBJECT_CHARS_MAX = 255
RSA_BITS_MIN = 2048

# algorithm -> (key type, curve). No other algorithm is accepted: with HS256 the public key would be the secret.
_KEY_TYPES = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


_decoder = msgspec.json.Decoder(_KeySet)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a valid token. Takes: role, from the role claim; None: the settings name no role claim."""

    issuer: str
    subject: str
    role: str | None
    expires_ms: int


class OidcVerifier:
    """Verifies tokens of one identity provider.

    Takes: url, where it publishes its keys; audience, required in each token; issuer, required in each token, None: any;
           role_claim, the name of the claim that gives the role, None: no claim does
    """

    def __init__(
        self,
        url: str,
        audience: str,
        clock: Clock,
        *,
        issuer: str | None = None,
        role_claim: str | None = None,
        refresh_s: float = REFRESH_S,
    ) -> None:
        self._url = url
        self._audience = audience
        self._issuer = issuer
        self._role_claim = role_claim
        self._refresh_s = refresh_s
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT_S)
        self._keys: dict[str | None, list[jwt.PyJWK]] = {}
        self._fetched_s = -math.inf
        self._fetching = asyncio.Lock()

    async def run(self) -> None:
        """Refreshes the keys until cancelled."""
        while True:
            async with self._fetching:
                is_fetched = await self._fetch()
            await asyncio.sleep(self._refresh_s if is_fetched else REFETCH_S)

    async def verify(self, token: str) -> Claims:
        """Verifies a token and gives its claims.

        Raises: Refused: unauthenticated, the token is expired, forged, or has another audience or issuer; unavailable,
                its key is unknown, and the last fetch is less than REFETCH_S ago or failed
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm, name = header["alg"], header.get("kid")
            key = await self._key(name, algorithm)
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["sub", "exp", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Refused(Code.UNAUTHENTICATED, "The token has expired. Sign in again.") from None
        except (jwt.PyJWTError, ValueError, KeyError, TypeError):
            raise _invalid_token() from None
        issuer, subject = claims.get("iss", ""), claims["sub"]
        for text in (issuer, subject):
            if not isinstance(text, str) or len(text) > SUBJECT_CHARS_MAX or "\0" in text:
                raise _invalid_token()
        if not subject:
            raise _invalid_token()
        return Claims(issuer, subject, self._role_of(claims), (int(claims["exp"]) + LEEWAY_S) * 1000)

    async def close(self) -> None:
        """Closes the HTTP client."""
        await self._http.aclose()

    def _role_of(self, claims: dict[str, Any]) -> str | None:
        if self._role_claim is None:
            return None
        claim = claims.get(self._role_claim)
        values = claim if isinstance(claim, list) else [claim]
        return max((role for role in ROLES if role in values), key=ROLES.index, default="user")

    async def _key(self, name: str | None, algorithm: str) -> jwt.PyJWK:
        key = self._find(name, algorithm)
        if key is not None:
            return key
        async with self._fetching:
            wait_s = self._fetched_s + REFETCH_S - self._clock.monotonic_s()
            is_fetched = wait_s <= 0 and await self._fetch()
        key = self._find(name, algorithm)
        if key is not None:
            return key
        if not is_fetched:
            # Only a key set that was read just now says that there is no such key.
            wait_ms = math.ceil((wait_s if wait_s > 0 else REFETCH_S) * 1000)
            message = "The key of the token is not known yet. Try again in a moment."
            raise Refused(Code.UNAVAILABLE, message, retry_after_ms=wait_ms)
        raise _invalid_token()

    def _find(self, name: str | None, algorithm: str) -> jwt.PyJWK | None:
        matching = [key for key in self._keys.get(name, ()) if key.algorithm_name == algorithm]
        # A token without a key name is accepted only if exactly one key matches.
        return matching[0] if len(matching) == 1 else None

    async def _fetch(self) -> bool:
        """Fetches the keys. If that fails, the previous keys stay."""
        self._fetched_s = self._clock.monotonic_s()
        try:
            self._keys = _keys_of(await self._download())
        except (httpx.HTTPError, ValueError) as error:
            log.warning("oidc.keys_not_fetched", error=f"{type(error).__name__}: {error}")
            return False
        log.info("oidc.keys_fetched", names=len(self._keys))
        return True

    async def _download(self) -> bytes:
        async with self._http.stream("GET", self._url, headers={"Accept": "application/json"}) as response:
            response.raise_for_status()
            document = bytearray()
            async for chunk in response.aiter_bytes():
                document += chunk
                if len(document) > DOCUMENT_BYTES_MAX:
                    raise ValueError(f"the key set has more than {DOCUMENT_BYTES_MAX} bytes")
        return bytes(document)


def is_oidc_token(token: str) -> bool:
    """Whether the header of a token names an algorithm of identity providers; our own tokens use HS256."""
    try:
        return jwt.get_unverified_header(token).get("alg") in _KEY_TYPES
    except (jwt.PyJWTError, ValueError):
        return False


def _keys_of(document: bytes) -> dict[str | None, list[jwt.PyJWK]]:
    """Parses a key set into usable keys by name. Each key is also listed under None, for tokens without a key name.

    Raises: ValueError: the document is not a key set, or it has no usable key
    """
    keys: dict[str | None, list[jwt.PyJWK]] = {}
    try:
        found = _decoder.decode(document).keys
    except msgspec.DecodeError as error:
        raise ValueError(f"the document is not a key set: {error}") from error
    for key in _usable_keys(found[:KEYS_MAX]):
        keys.setdefault(key.key_id, []).append(key)
        if key.key_id is not None:
            keys.setdefault(None, []).append(key)
    if not keys:
        raise ValueError("the key set has no usable key for RS256, ES256 or EdDSA")
    return keys


def _usable_keys(found: Iterable[dict[str, Any]]) -> Iterable[jwt.PyJWK]:
    for data in found:
        for algorithm, (key_type, curve) in _KEY_TYPES.items():
            if (
                data.get("kty") != key_type
                or data.get("use", "sig") != "sig"
                or data.get("alg", algorithm) != algorithm
                or (curve is not None and data.get("crv") != curve)
                or not isinstance(data.get("kid"), str | None)
            ):
                continue
            try:
                key = jwt.PyJWK(data, algorithm)
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                log.warning("oidc.key_skipped", error=type(error).__name__)
                continue
            if key_type != "RSA" or key.key.key_size >= RSA_BITS_MIN:
                yield key


def _invalid_token() -> Refused:
    return Refused(Code.UNAUTHENTICATED, "The token is not valid. Sign in again.")
