"""Session tokens: valid tokens give an identity, all others are refused."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from server.errors import Refused
from server.people.sessions import mint_token, verify_token
from server.protocol.identity import Identity

SECRET = "a secret of tests, and long enough"


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a valid token, with changes. None leaves a claim out."""
    now = int(time.time())
    given = {"sub": "42", "role": "user", "aud": "mysetlist", "iat": now, "exp": now + 24 * 3600} | changes
    return {name: value for name, value in given.items() if value is not None}


def signed(algorithm: str = "HS256", secret: str = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


@pytest.mark.parametrize("role", ["user", "moderator", "admin"])
def test_a_token_gives_its_identity(role: str) -> None:
    """The user and the role are those that were signed."""
    assert verify_token(SECRET, mint_token(SECRET, 42, role)) == Identity(42, role)


def test_a_token_of_a_node_whose_clock_is_ahead_is_accepted() -> None:
    """Otherwise it would be refused everywhere else until the other clocks have caught up."""
    assert verify_token(SECRET, signed(iat=int(time.time()) + 5)).user_id == 42


def test_an_expired_token_is_refused() -> None:
    """A correct signature does not help."""
    with pytest.raises(Refused, match="expired") as refusal:
        verify_token(SECRET, mint_token(SECRET, 42, "user", ttl_s=-1))
    assert refusal.value.code == "unauthenticated"


BAD_TOKENS = {
    "empty": "",
    "no token": "token",
    "two dots": "..",
    "not base64": "a.b.c",
    "NUL": "\x00",
    "not ASCII": "Björk.Björk.Björk",
    "lone surrogate": "\udcff",
    "very long": "x" * 4096,
    "another secret": signed(secret="another secret, just as long as ours"),
    "algorithm none": jwt.encode(claims(), "", algorithm="none"),
    "stronger algorithm": signed("HS512", secret=SECRET * 2),
    "changed afterwards": signed()[:-4] + "AAAA",
    "signature cut off": signed().rpartition(".")[0] + ".",
    "wrong audience": signed(aud="elsewhere"),
    "no audience": signed(aud=None),
    "no user": signed(sub=None),
    "no role": signed(role=None),
    "never expires": signed(exp=None),
    "not valid yet": signed(nbf=int(time.time()) + 3600),
    "user no number": signed(sub="somebody"),
    "user empty": signed(sub=""),
    "unknown role": signed(role="root"),
    "role a list": signed(role=["admin"]),
    "role an object": signed(role={"admin": True}),
    "expiry no number": signed(exp="never"),
}


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_any_other_token_is_refused(token: str) -> None:
    """Forged, foreign, incomplete and malformed tokens give one code, and the message does not repeat them."""
    with pytest.raises(Refused) as refusal:
        verify_token(SECRET, token)
    assert refusal.value.code == "unauthenticated"
    assert refusal.value.message == "The token is not valid. Sign in again."


@pytest.mark.parametrize("sub", ["0", "-1", str(2**53), str(2**80), "1_000", "٤٢", " 42 "])
def test_an_impossible_user_id_is_refused(sub: str) -> None:
    """Ids are positive and exact in a double. Other numbers must not reach the database."""
    with pytest.raises(Refused) as refusal:
        verify_token(SECRET, signed(sub=sub))
    assert refusal.value.code == "unauthenticated"
