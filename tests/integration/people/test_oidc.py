"""OpenID Connect: keys fetched over a real socket, verified tokens, and the accounts of users of an identity provider."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import jwt
import pytest
from structlog.testing import capture_logs

from server.errors import Refused
from server.people.oidc import DOCUMENT_BYTES_MAX, LEEWAY_S, REFETCH_S, OidcVerifier, is_oidc_token
from server.people.sessions import mint_token
from tests.support.clock import FakeClock
from tests.support.identity_provider import AUDIENCE, ISSUER, IdentityProvider, SigningKey
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.socket_client import SocketClient


@pytest.fixture(scope="module")
def keys() -> dict[str, SigningKey]:
    """One key for each algorithm, created once because that is slow."""
    return {algorithm: SigningKey(algorithm, f"key-{algorithm}") for algorithm in ("RS256", "ES256", "EdDSA")}


@pytest.fixture
async def published(keys: dict[str, SigningKey]) -> AsyncIterator[IdentityProvider]:
    """An identity provider that publishes all three keys."""
    async with IdentityProvider.open(*keys.values()) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only the test moves; it decides when keys may be fetched again."""
    return FakeClock()


@asynccontextmanager
async def verifying(published: IdentityProvider, clock: FakeClock, **options: Any) -> AsyncIterator[OidcVerifier]:
    verifier = OidcVerifier(published.url, AUDIENCE, clock, **options)
    try:
        yield verifier
    finally:
        await verifier.close()


@pytest.fixture
async def verifier(published: IdentityProvider, clock: FakeClock) -> AsyncIterator[OidcVerifier]:
    """A verifier of tokens of this identity provider."""
    async with verifying(published, clock) as opened:
        yield opened


async def code_of(verifier: OidcVerifier, token: str) -> str:
    """Gives the code of the refusal of a token; "": the token is valid."""
    try:
        await verifier.verify(token)
    except Refused as error:
        return str(error.code)
    return ""


# ──────────────────────────────────────────────────────────────── tokens and keys


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_valid_token_of_each_algorithm_is_accepted(
    verifier: OidcVerifier, published: IdentityProvider, keys: dict[str, SigningKey], algorithm: str
) -> None:
    """Its claims and expiry are right, and the keys are fetched only once."""
    token = keys[algorithm].token("ana", role="admin")
    assert is_oidc_token(token)
    for _ in range(3):
        claims = await verifier.verify(token)
    assert (claims.issuer, claims.subject, claims.role) == (ISSUER, "ana", None)
    exp = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert claims.expires_ms == (exp + LEEWAY_S) * 1000
    assert published.asked == 1


async def test_bad_tokens_are_refused(verifier: OidcVerifier, keys: dict[str, SigningKey]) -> None:
    """Wrong audience, expired, not valid yet, missing claims, another key, or changed."""
    good, other = keys["ES256"], SigningKey("ES256", "key-ES256")
    header, payload, signature = good.token().split(".")
    bad = {
        "audience": good.token(aud="others"),
        "no audience": good.token(aud=None),
        "expired": good.token(ttl_s=-LEEWAY_S - 5),
        "never ends": good.token(exp=None),
        "not yet": good.token(nbf=2**33),
        "nobody": good.token(sub=None),
        "an empty subject": good.token(""),
        "a long subject": good.token("x" * 256),
        "a NUL": good.token("a\0b"),
        "a number": good.token(sub=7),
        "a list of issuers": good.token(iss=["a"]),
        "another key of that name": other.token(),
        "changed": f"{header}.{payload[:-2]}AA.{signature}",
        "no signature": f"{header}.{payload}.",
    }
    refused = {why: await code_of(verifier, token) for why, token in bad.items()}
    assert refused == dict.fromkeys(bad, "unauthenticated")
    # The clock of the identity provider may differ a little from ours.
    assert await code_of(verifier, good.token(ttl_s=-LEEWAY_S + 10)) == ""
    assert await code_of(verifier, good.token(nbf=None, aud=["others", AUDIENCE], iss=None)) == ""


async def test_a_key_is_used_only_with_its_algorithm(
    verifier: OidcVerifier, published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """A public key as HS256 secret, the algorithm none, and a key of another type are refused."""
    claims = jwt.decode(keys["RS256"].token(), options={"verify_signature": False})
    pem = keys["RS256"].pem()
    # Signed by hand, because the library refuses a public key as a secret.
    signed = ".".join(
        jwt.utils.base64url_encode(json.dumps(part).encode()).decode()
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "key-RS256"}, claims)
    )
    mac = hmac.digest(pem, signed.encode(), "sha256")
    forged = f"{signed}.{jwt.utils.base64url_encode(mac).decode()}"
    assert not is_oidc_token(forged), "our own verification checks it, with our secret"
    for token in (
        forged,
        jwt.encode(claims, "", algorithm="none", headers={"kid": "key-RS256"}),
        keys["ES256"].token(header={"kid": "key-RS256"}),
        keys["RS256"].token(header={"kid": "key-EdDSA"}),
    ):
        clock.advance(REFETCH_S)
        assert await code_of(verifier, token) == "unauthenticated"


async def test_unusable_keys_of_a_key_set_are_skipped(
    published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """Other types, curves and uses, weak keys and garbage do not hide the usable keys."""
    good = keys["ES256"]
    published.answer = {
        "keys": [
            {}, {"kty": "oct", "k": "AAAA", "kid": "secret"}, {"kty": "EC", "crv": "P-256", "kid": "half"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"}, {"kty": "EC", "crv": "P-521", "kid": "curve"},
            keys["RS256"].published(use="enc"), keys["EdDSA"].published(alg="ES256"),
            good.published(kid=["a", "list"]), good.published(alg="ES256"),
        ]
    }  # fmt: skip
    async with verifying(published, clock) as verifier:
        assert await code_of(verifier, good.token()) == ""
        # A token without a key name is accepted only if exactly one key matches.
        assert await code_of(verifier, good.token(header={})) == ""
        clock.advance(REFETCH_S)
        assert await code_of(verifier, keys["RS256"].token()) == "unauthenticated"
        published.publish(good, SigningKey("ES256", "another"))
        clock.advance(REFETCH_S)
        assert await code_of(verifier, good.token(header={"kid": "unknown"})) == "unauthenticated"
        clock.advance(REFETCH_S)
        assert await code_of(verifier, good.token(header={})) == "unauthenticated"


async def test_rotated_keys_are_fetched(
    verifier: OidcVerifier, published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """An unknown key name causes one fetch in ten seconds, for any number of tokens. A removed key is refused."""
    old, new = keys["ES256"], SigningKey("ES256", "new")
    assert await code_of(verifier, old.token()) == ""
    published.publish(new)
    assert await code_of(verifier, new.token()) == "unavailable"
    assert published.asked == 1
    clock.advance(REFETCH_S)
    codes = await asyncio.gather(*(code_of(verifier, new.token()) for _ in range(10)))
    assert codes == [""] * 10
    assert published.asked == 2
    clock.advance(REFETCH_S)
    made_up = [new.token(header={"kid": f"made-up-{number}"}) for number in range(10)]
    codes = await asyncio.gather(*(code_of(verifier, token) for token in made_up))
    assert set(codes) == {"unauthenticated", "unavailable"}
    assert published.asked == 3
    assert await code_of(verifier, old.token()) == "unavailable"
    clock.advance(REFETCH_S)
    assert await code_of(verifier, old.token()) == "unauthenticated"


async def test_keys_stay_while_the_identity_provider_is_down(
    verifier: OidcVerifier, published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """The keys fetched before stay valid. Without any keys, tokens are `unavailable` with a retry hint."""
    published.status = 503
    good = keys["RS256"]
    with capture_logs() as logged, pytest.raises(Refused) as refusal:
        await verifier.verify(good.token())
    assert (refusal.value.code, [entry["event"] for entry in logged]) == ("unavailable", ["oidc.keys_not_fetched"])
    assert (refusal.value.retry_after_ms or 0) >= 1000
    published.status = 200
    clock.advance(REFETCH_S)
    assert await code_of(verifier, good.token()) == ""
    for answer in (
        b"<html>",
        b"[]",
        b'{"keys": 7}',
        b'{"keys": [7]}',
        b'{"keys": []}',
        b" " * (DOCUMENT_BYTES_MAX + 1),
    ):
        published.answer = answer
        clock.advance(REFETCH_S)
        # The provider could not be asked, so the key may exist.
        assert await code_of(verifier, good.token(header={"kid": "unknown"})) == "unavailable"
        assert await code_of(verifier, good.token()) == ""
    assert published.asked == 8


async def test_an_unknown_key_is_no_forgery_while_the_provider_is_down(
    verifier: OidcVerifier, published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """The provider has rotated its keys, and the fetch of the new ones fails: the token may be good, so it is `unavailable`."""
    assert await code_of(verifier, keys["RS256"].token()) == ""
    new = SigningKey("ES256", "new")
    published.publish(new)
    published.status = 503
    clock.advance(REFETCH_S)
    with pytest.raises(Refused) as refusal:
        await verifier.verify(new.token())
    assert (refusal.value.code, refusal.value.retry_after_ms) == ("unavailable", REFETCH_S * 1000)
    published.status = 200
    clock.advance(REFETCH_S)
    assert await code_of(verifier, new.token()) == ""


async def test_keys_are_refreshed_regularly(
    published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """A removed key is refused after the next refresh, even if no token names an unknown key."""
    async with verifying(published, clock, refresh_s=0.02) as verifier:
        loop = asyncio.create_task(verifier.run())
        try:
            # The loop fetches first, and no token causes a fetch. So only a refresh finds the new key set.
            await until(lambda: _was_asked(published))
            await until(lambda: _is(verifier, keys["ES256"].token(), ""))
            published.publish(keys["RS256"])
            await until(lambda: _is_not(verifier, keys["ES256"].token(), ""))
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


async def test_the_issuer_of_the_settings_is_required(
    published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock
) -> None:
    """Tokens with another issuer or without one are refused."""
    async with verifying(published, clock, issuer=ISSUER) as verifier:
        assert await code_of(verifier, keys["ES256"].token()) == ""
        for issuer in ("https://evil.example", None):
            assert await code_of(verifier, keys["ES256"].token(iss=issuer)) == "unauthenticated"


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ("admin", "admin"), (["x", "moderator", "user"], "moderator"), ("owner", "user"), (None, "user"), (7, "user"),
        ({"admin": True}, "user"), ([["admin"]], "user"), ("ADMIN", "user"),
    ],
)  # fmt: skip
async def test_the_role_claim_gives_the_role(
    published: IdentityProvider, keys: dict[str, SigningKey], clock: FakeClock, said: Any, role: str
) -> None:
    """It gives the highest of our roles in the claim. Any other value gives the role of a user."""
    async with verifying(published, clock, role_claim="groups") as verifier:
        assert (await verifier.verify(keys["ES256"].token(groups=said, role="admin"))).role == role


# ──────────────────────────────────────────────────────────────── accounts


def person_with(people: People, token: str) -> Person:
    nobody = people.nobody()
    return Person(0, "user", nobody.http, nobody.url, token)


async def test_a_user_of_the_identity_provider_has_one_account(
    published: IdentityProvider, keys: dict[str, SigningKey], database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """It is the same over HTTP and websocket and with each key. Its role is our own, and it gets no session."""
    show = await factory.show(7)
    options: dict[str, Any] = {"jwks_url": published.url, "jwt_audience": AUDIENCE}
    async with running_node(database_url, redis_url, **options) as node, People.open(node, factory) as people:
        ana = person_with(people, keys["ES256"].token("ana", role="admin"))
        ids = await asyncio.gather(*(ana.ok("GET", "/api/me") for _ in range(5)))
        assert len({me["id"] for me in ids}) == 1
        ana_id = ids[0]["id"]
        async with SocketClient.connect(node.url) as talker, SocketClient.connect(node.url) as ending:
            welcome = await talker.hello(keys["EdDSA"].token("ana"))
            assert welcome["user"] == {"id": ana_id, "role": "user"}
            await talker.cast(7, (show.first, "up"))
            # The connection ends with its token, including the leeway.
            await ending.hello(keys["EdDSA"].token("ana", ttl_s=-LEEWAY_S + 5))
            assert (await ending.next(lambda message: "expiring" in message))["expiring"]["in_ms"] <= 5_000
        ben = person_with(people, keys["RS256"].token("ben"))
        assert (await ben.ok("GET", "/api/me"))["id"] != ana_id
        assert await ana.refused("GET", "/api/admin/users") == "forbidden"
        assert await ana.refused("POST", "/api/session", {"keep": True}) == "forbidden"
        # Our own tokens still work.
        assert (await (await people.person("admin")).ok("GET", "/api/admin/users"))["items"]
        await factory.sql.execute("update users set role = 'moderator' where id = $1", ana_id)
        await until(lambda: _may(ana, "/api/admin/users"))
        exported = await ana.ok("GET", "/api/me/export")
        assert [(item["issuer"], item["subject"]) for item in exported["identities"]] == [(ISSUER, "ana")]
        await ana.ok("DELETE", "/api/me", status=204)
        assert await factory.sql.fetchval("select count(*) from user_identities where subject = 'ana'") == 0
        await until(lambda: _is_new(ana, ana_id))


async def test_the_role_claim_changes_the_account(
    published: IdentityProvider, keys: dict[str, SigningKey], database_url: str, redis_url: str, factory: RowFactory
) -> None:
    """A role is given and removed by the claim, also on open websockets."""
    options: dict[str, Any] = {"jwks_url": published.url, "jwt_audience": AUDIENCE, "jwt_role_claim": "role"}
    async with running_node(database_url, redis_url, **options) as node, People.open(node, factory) as people:
        key = keys["ES256"]
        ana = person_with(people, key.token("ana", role="moderator"))
        await ana.ok("GET", "/api/admin/users")
        assert await ana.refused("GET", "/api/admin/api-keys") == "forbidden"
        async with SocketClient.connect(node.url) as talker:
            assert (await talker.hello(ana.token or ""))["role"] == "moderator"
            await person_with(people, key.token("ana")).ok("GET", "/api/me")
            assert await talker.close_code() == 4401
        assert await factory.sql.fetchval("select role::text from users") == "user"


async def test_without_an_identity_provider_its_tokens_are_refused(
    node: Any, factory: RowFactory, keys: dict[str, SigningKey]
) -> None:
    """A token that is correctly signed by an unknown identity provider gives `unauthenticated`."""
    async with People.open(node, factory) as people:
        assert await person_with(people, keys["ES256"].token()).refused("GET", "/api/me") == "unauthenticated"


def test_our_own_tokens_are_not_oidc_tokens() -> None:
    """Neither are API keys and texts that are not tokens."""
    assert not any(map(is_oidc_token, (mint_token(SECRET, 1, "user"), "", "a.b.c", "\ud800", "msk_x", "é.é.é")))


async def test_concurrent_first_sign_ins_create_one_account(factory: RowFactory, database_url: str) -> None:
    """The first sign-in creates the account, and the others find it."""
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    try:
        for number in range(5):
            rows = await asyncio.gather(
                *(
                    connection.fetchrow("select * from sign_in_as($1, $2, interval '1 hour')", ISSUER, f"fan{number}")
                    for connection in connections
                )
            )
            assert len({row["user_id"] for row in rows if row is not None}) == 1
    finally:
        for connection in connections:
            await connection.close()
    assert await factory.sql.fetchval("select count(*) from users") == 5


async def _was_asked(published: IdentityProvider) -> bool:
    return published.asked > 0


async def _is(verifier: OidcVerifier, token: str, code: str) -> bool:
    return await code_of(verifier, token) == code


async def _is_not(verifier: OidcVerifier, token: str, code: str) -> bool:
    return await code_of(verifier, token) != code


async def _may(person: Person, path: str) -> bool:
    return (await person.ask("GET", path))[0] == 200


async def _is_new(person: Person, former_id: int) -> bool:
    status, me = await person.ask("GET", "/api/me")
    return status == 200 and me["id"] != former_id
