"""An identity provider's tokens: whose they are, by the keys it publishes (JWKS, RFC 7517).

Keys are read at the start and every ten minutes, and when a token names one that is not known, so a provider may change
them at any time; one that is taken back is refused after ten minutes. While the provider is away, the keys read last go on.
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
# Anybody can make up the name of a key.
REFETCH_S = 10.0
FETCH_TIMEOUT_S = 5.0
DOCUMENT_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
LEEWAY_S = 30  # its clock and ours
SUBJECT_CHARS_MAX = 255
RSA_BITS_MIN = 2048

# Which kind of key an algorithm goes with. Nothing else is accepted, whatever a token or a key says of itself: with
# HS256 a public key would be the secret.
_KINDS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


_decoder = msgspec.json.Decoder(_KeySet)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. Takes: role, that the claim named in the settings gives; None: no claim is named."""

    issuer: str
    subject: str
    role: str | None
    expires_ms: int


class OidcVerifier:
    """Takes: url of its keys; audience, that its tokens must be for; issuer, that they must be of, None: any;
    role_claim, which says what somebody may do, None: none does.
    """

    def __init__(
        self, url: str, audience: str, clock: Clock, *, issuer: str | None = None, role_claim: str | None = None
    ) -> None:
        self._url = url
        self._audience = audience
        self._issuer = issuer
        self._role_claim = role_claim
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT_S)
        self._keys: dict[str | None, list[jwt.PyJWK]] = {}
        self._fetched_s = -math.inf
        self._fetching = asyncio.Lock()

    async def run(self) -> None:
        """Reads the keys now and then, until cancelled."""
        while True:
            async with self._fetching:
                is_read = await self._fetch()
            await asyncio.sleep(REFRESH_S if is_read else REFETCH_S)

    async def verify(self, token: str) -> Claims:
        """What a token of the provider says.

        Raises: Refused: unauthenticated, it is expired, forged, or for or of somebody else; unavailable, its key is not
                known and was asked for a moment ago
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
            raise _bad() from None
        issuer, subject = claims.get("iss", ""), claims["sub"]
        for text in (issuer, subject):
            if not isinstance(text, str) or len(text) > SUBJECT_CHARS_MAX or "\0" in text:
                raise _bad()
        if not subject:
            raise _bad()
        return Claims(issuer, subject, self._role_of(claims), (int(claims["exp"]) + LEEWAY_S) * 1000)

    async def close(self) -> None:
        """Hangs up."""
        await self._http.aclose()

    def _role_of(self, claims: dict[str, Any]) -> str | None:
        if self._role_claim is None:
            return None
        said = claims.get(self._role_claim)
        named = said if isinstance(said, list) else [said]
        return max((role for role in ROLES if role in named), key=ROLES.index, default="user")

    async def _key(self, name: str | None, algorithm: str) -> jwt.PyJWK:
        key = self._find(name, algorithm)
        if key is not None:
            return key
        async with self._fetching:
            wait_s = self._fetched_s + REFETCH_S - self._clock.monotonic_s()
            if wait_s <= 0:
                await self._fetch()
        key = self._find(name, algorithm)
        if key is not None:
            return key
        if wait_s > 0 or not self._keys:
            wait_ms = math.ceil(max(wait_s, 1.0) * 1000)
            raise Refused(Code.UNAVAILABLE, "The token's key is not known yet. Try again.", retry_after_ms=wait_ms)
        raise _bad()

    def _find(self, name: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys.get(name, ()) if key.algorithm_name == algorithm]
        # A token that names no key has to leave no choice.
        return fitting[0] if len(fitting) == 1 else None

    async def _fetch(self) -> bool:
        """Reads the keys; when that fails, those read before stay."""
        self._fetched_s = self._clock.monotonic_s()
        try:
            self._keys = _keys_of(await self._download())
        except (httpx.HTTPError, ValueError) as error:
            log.warning("provider.keys_not_read", error=f"{type(error).__name__}: {error}")
            return False
        log.info("provider.keys_read", names=len(self._keys))
        return True

    async def _download(self) -> bytes:
        async with self._http.stream("GET", self._url, headers={"Accept": "application/json"}) as response:
            response.raise_for_status()
            document = bytearray()
            async for chunk in response.aiter_bytes():
                document += chunk
                if len(document) > DOCUMENT_BYTES_MAX:
                    raise ValueError(f"more than {DOCUMENT_BYTES_MAX} bytes")
        return bytes(document)


def is_foreign(token: str) -> bool:
    """Whether a token says it is signed as providers sign, and not as we do."""
    try:
        return jwt.get_unverified_header(token).get("alg") in _KINDS
    except (jwt.PyJWTError, ValueError):
        return False


def _keys_of(document: bytes) -> dict[str | None, list[jwt.PyJWK]]:
    """The keys that we can use, by name; each also without its name, for tokens that name none.

    Raises: ValueError: this is no key set, or none of its keys is of use
    """
    keys: dict[str | None, list[jwt.PyJWK]] = {}
    try:
        found = _decoder.decode(document).keys
    except msgspec.DecodeError as error:
        raise ValueError(f"no key set: {error}") from error
    for key in _usable(found[:KEYS_MAX]):
        keys.setdefault(key.key_id, []).append(key)
        if key.key_id is not None:
            keys.setdefault(None, []).append(key)
    if not keys:
        raise ValueError("no key for RS256, ES256 or EdDSA")
    return keys


def _usable(found: Iterable[dict[str, Any]]) -> Iterable[jwt.PyJWK]:
    for data in found:
        for algorithm, (kind, curve) in _KINDS.items():
            if (
                data.get("kty") != kind
                or data.get("use", "sig") != "sig"
                or data.get("alg", algorithm) != algorithm
                or (curve is not None and data.get("crv") != curve)
                or not isinstance(data.get("kid"), str | None)
            ):
                continue
            try:
                key = jwt.PyJWK(data, algorithm)
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                log.warning("provider.key_skipped", error=type(error).__name__)
                continue
            if kind != "RSA" or key.key.key_size >= RSA_BITS_MIN:
                yield key


def _bad() -> Refused:
    return Refused(Code.UNAUTHENTICATED, "The token is not valid. Sign in again.")
