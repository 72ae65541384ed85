"""A local identity provider: it publishes keys. A signing key signs tokens, whether it is published or not."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE, ISSUER = "fans", "https://id.example"

_MAKERS: dict[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
_ALGORITHMS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


class SigningKey:
    """A key pair with a name."""

    def __init__(self, algorithm: str, name: str) -> None:
        self.algorithm = algorithm
        self.name = name
        self.private = _MAKERS[algorithm]()

    def published(self, **changes: Any) -> dict[str, Any]:
        """The public key as an entry of a key set."""
        public = json.loads(_ALGORITHMS[self.algorithm].to_jwk(self.private.public_key()))
        return {**public, "kid": self.name, "use": "sig", **changes}

    def pem(self) -> bytes:
        """The public key as PEM, which an attacker could use as an HS256 secret."""
        pem: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def token(self, subject: str = "ana", ttl_s: float = 3600, header: Any = None, **claims: Any) -> str:
        """Signs a token. A claim that is None is left out."""
        now = time.time()
        payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": int(now), "exp": int(now + ttl_s), **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        headers = {"kid": self.name} if header is None else header
        # Not jwt.encode, because it refuses invalid claims.
        return jwt.api_jws.encode(json.dumps(payload).encode(), self.private, algorithm=self.algorithm, headers=headers)


class IdentityProvider:
    """Serves a key set over HTTP. answer: the document; status: the HTTP status; asked: the number of requests."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Any = {"keys": []}
        self.status = 200
        self.asked = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, *keys: SigningKey) -> AsyncIterator[IdentityProvider]:
        """Starts an identity provider that publishes these keys."""
        provider = cls()
        provider.publish(*keys)
        app = web.Application()
        app.router.add_get("/keys", provider._get_keys)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        try:
            yield provider
        finally:
            await runner.cleanup()

    def publish(self, *keys: SigningKey) -> None:
        """Replaces the published keys."""
        self.answer = {"keys": [key.published() for key in keys]}

    async def _get_keys(self, _request: web.Request) -> web.Response:
        self.asked += 1
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return web.Response(status=self.status, body=body)
