"""Signed notes: checkpoints of a log, their signatures, and cosignatures of witnesses.

Source: C2SP, signed-note, tlog-checkpoint, tlog-cosignature
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_ED25519 = b"\x01"
_COSIGNATURE = b"\x04"
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8


class NoteError(Exception):
    """A note or key that cannot be read, or a signature that is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree: its log, size and root."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and its name. Takes: kind, one byte: 1, the key signs notes; 4, it cosigns them."""

    name: str
    public: bytes
    kind: bytes = _ED25519

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(self.kind + self.public)}"

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Reads a key as it was printed. Raises: NoteError."""
        name, _, rest = text.strip().partition("+")
        digits, _, data = rest.partition("+")
        key = _decoded(data)
        if not name or re.search(r"\s", name) or key[:1] not in (_ED25519, _COSIGNATURE) or len(key) != 33:
            raise NoteError(
                f"{text.strip()[:200]!r} is no key. A key is a name, eight digits and 44 characters, with + between."
            )
        made = cls(name, key[1:], key[:1])
        if made.id.hex() != digits:
            raise NoteError(
                f"The key of {name[:200]} has the digits {digits[:20]}; {made.id.hex()} belong to it. Copy it again."
            )
        return made


def key_of(secret: str) -> Ed25519PrivateKey:
    """The key that signs checkpoints, from the secret of the nodes. A dump of the database does not hold it."""
    derived = HKDF(SHA256(), length=32, salt=None, info=b"mysetlist ledger").derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(derived)


def sign(checkpoint: Checkpoint, private: Ed25519PrivateKey) -> str:
    """The checkpoint as a signed note. The key that signs it has the name of the log."""
    key = VerifierKey(checkpoint.origin, private.public_key().public_bytes_raw())
    signature = private.sign(checkpoint.body.encode())
    return f"{checkpoint.body}\n{_line(key, signature)}"


def cosign(note: str, name: str, private: Ed25519PrivateKey, time_s: int) -> str:
    """The note with the cosignature of a witness at its end. Takes: time_s, since 1970."""
    body = note.partition("\n\n")[0] + "\n"
    key = VerifierKey(name, private.public_key().public_bytes_raw(), _COSIGNATURE)
    signature = private.sign(_cosigned(body, time_s))
    return note + _line(key, time_s.to_bytes(_TIME_BYTES) + signature)


def cosigning_key(name: str, private: Ed25519PrivateKey) -> VerifierKey:
    """The key of a witness, for those who check its cosignatures."""
    return VerifierKey(name, private.public_key().public_bytes_raw(), _COSIGNATURE)


def read(note: str, *keys: VerifierKey) -> Checkpoint:
    """Reads a checkpoint that each of these keys has signed. The caller checks of which log it is.

    Raises: NoteError: it is no checkpoint, or a signature is missing or wrong
    """
    body, found, lines = note.partition("\n\n")
    parts = body.split("\n")
    if not found or len(parts) < 3 or not re.fullmatch(r"0|[1-9][0-9]{0,17}", parts[1], re.ASCII):
        raise NoteError("This is no checkpoint. A checkpoint has a log's name, a size and a root, then signatures.")
    root = _decoded(parts[2])
    if len(root) != 32:
        raise NoteError("The checkpoint has no root of 32 bytes.")
    signatures = [match for line in lines.splitlines() if (match := re.fullmatch(r"— (\S+) (\S+)", line))]
    for key in keys:
        named = [_decoded(line[2]) for line in signatures if line[1] == key.name]
        signed = [data[4:] for data in named if data[:4] == key.id]
        if not signed:
            raise NoteError(f"The checkpoint of {parts[0][:200]} is not signed by the key {key}.")
        if not all(_is_good(key, body + "\n", data) for data in signed):
            raise NoteError(f"The checkpoint of {parts[0][:200]} has a wrong signature of {key.name}.")
    return Checkpoint(parts[0], int(parts[1]), root)


def _is_good(key: VerifierKey, body: str, data: bytes) -> bool:
    message = body.encode()
    if key.kind == _COSIGNATURE:
        message = _cosigned(body, int.from_bytes(data[:_TIME_BYTES]))
        data = data[_TIME_BYTES:]
    if len(data) != _SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(data, message)
    except InvalidSignature:
        return False
    return True


def _cosigned(body: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{body}".encode()


def _line(key: VerifierKey, data: bytes) -> str:
    return f"— {key.name} {_base64(key.id + data)}\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
