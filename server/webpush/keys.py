"""The key of this service towards push services (VAPID), and the header by which they know it.

Source: RFC 8292
"""

from __future__ import annotations

import base64
import secrets
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.clock import Clock
from server.store.database import Database
from server.webpush.queries import routes as queries

# At most a day (RFC 8292, section 2).
TOKEN_TTL_S = 12 * 3600
# A token is made again before it ends.
TOKEN_USED_S = 6 * 3600
ORIGINS_MAX = 100
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4, D.1.2.3)


class ServiceKey:
    """The key. It is made once, and kept in the database.

    Takes: database, of the owner; contact, an address of the operator, https:// or mailto:, which a push service may ask for
    """

    def __init__(self, database: Database, clock: Clock, contact: str) -> None:
        self._database = database
        self._clock = clock
        self._contact = contact
        self._private: ec.EllipticCurvePrivateKey | None = None
        self._headers: dict[str, tuple[str, float]] = {}

    async def public_text(self) -> str:
        """The public key as browsers take it, base64url.

        Raises: StoreUnavailable
        """
        return _text(_point(await self._load()))

    async def header(self, endpoint: str) -> str:
        """The header `Authorization` of a message to a device.

        Raises: StoreUnavailable
        """
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        now_s = self._clock.now_ms() / 1000
        header, until_s = self._headers.get(origin, ("", 0.0))
        if until_s <= now_s:
            private = await self._load()
            claims = {"aud": origin, "exp": int(now_s) + TOKEN_TTL_S, "sub": self._contact}
            header = f"vapid t={jwt.encode(claims, private, algorithm='ES256')}, k={_text(_point(private))}"
            if len(self._headers) >= ORIGINS_MAX:
                self._headers.clear()
            self._headers[origin] = (header, now_s + TOKEN_USED_S)
        return header

    async def _load(self) -> ec.EllipticCurvePrivateKey:
        if self._private is None:
            async with self._database.connection() as connection:
                kept = await queries.fetch_key(connection) or await queries.make_key(
                    connection, private_key=(1 + secrets.randbelow(_ORDER - 1)).to_bytes(32)
                )
            self._private = ec.derive_private_key(int.from_bytes(kept), ec.SECP256R1())
        return self._private


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _text(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()
