"""Signed notes: what signs, what is refused, and the cosignature of a witness."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.ledger.notes import Checkpoint, NoteError, VerifierKey, cosign, cosigning_key, key_of, read, sign

ORIGIN = "example.org/ledger/1/shows/7"
CHECKPOINT = Checkpoint(ORIGIN, 20, bytes(range(32)))
PRIVATE = key_of("a secret of tests, and long enough")
KEY = VerifierKey(ORIGIN, PRIVATE.public_key().public_bytes_raw())


def test_a_known_key() -> None:
    """A key that other programs use in their examples has the digits that they print."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert str(VerifierKey.parse(f"{text}\n")) == text


def test_a_signed_checkpoint() -> None:
    """A checkpoint is read with its key, also beside signatures that nobody knows."""
    note = sign(CHECKPOINT, PRIVATE)
    assert note.splitlines()[:4] == [ORIGIN, "20", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", ""]
    assert read(note, KEY) == CHECKPOINT
    assert read(note + "— somebody AAAAAA==\n", KEY) == CHECKPOINT
    assert VerifierKey.parse(str(KEY)) == KEY
    assert key_of("another secret of tests, and long").public_key() != PRIVATE.public_key()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n20\n", "\n21\n"),
        ("shows/7\n20", "shows/8\n20"),
        ("AAEC", "BAEC"),
        ("\n\n", "\nmore\n\n"),
        ("— example", "— xample"),
    ],
)
def test_an_altered_checkpoint(old: str, new: str) -> None:
    """No part of a signed checkpoint can be altered."""
    note = sign(CHECKPOINT, PRIVATE)
    assert old in note
    with pytest.raises(NoteError):
        read(note.replace(old, new, 1), KEY)


@pytest.mark.parametrize("text", ["", "a", "a\n1\nb", "a\n1\n\n", "a\n01\nAAEC\n\n", "a\n1\n!\n\n", "\n\n"])
def test_no_checkpoint(text: str) -> None:
    """What is no checkpoint is refused with a sentence."""
    with pytest.raises(NoteError, match="checkpoint"):
        read(text)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a b+c74f20a3+AAAA", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
)
def test_no_key(text: str) -> None:
    """What is no key is refused with a sentence."""
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


def test_a_cosignature() -> None:
    """A witness's cosignature is checked with its own key, and says for which time."""
    witness = Ed25519PrivateKey.generate()
    note = cosign(sign(CHECKPOINT, PRIVATE), "witness.example/w1", witness, 1_900_000_000)
    key = cosigning_key("witness.example/w1", witness)
    assert read(note, KEY, key) == CHECKPOINT
    assert VerifierKey.parse(str(key)) == key
    other = cosigning_key("witness.example/w1", Ed25519PrivateKey.generate())
    with pytest.raises(NoteError, match="not signed by the key"):
        read(note, KEY, other)
    # The same key may not pass a note's signature off as a cosignature.
    forged = note.replace(
        note.splitlines()[-1], sign(CHECKPOINT, witness).splitlines()[-1].replace(ORIGIN, "witness.example/w1")
    )
    with pytest.raises(NoteError):
        read(forged, KEY, key)
