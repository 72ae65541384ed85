"""Inputs made from good ones by mistakes. An input follows from its number alone, so a failed one can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

# Where readers stumble: ends of ranges, signs of a format, bytes that are no text.
TOKENS = (
    b"", b"\x00", b"\xff", b"\x80", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b"\r", b"\n", b" ", b'"', b'""', b"'",
    b",", b";", b"\t", b"|", b":", b"[", b"]", b"{", b"}", b"\\", b"\\u0000", b"\\ud800", b"&amp;", b"&#0;", b"&#1114112;", b"null", b"true",
    b"-1", b"0", b"1e400", b"NaN", b"2147483648", b"9007199254740993", b"9223372036854775808", b"1" * 400, b"-0.0", b"0001-01-01",
    b"9999-12-31T23:59:59Z", b"[" * 2_000, b'{"a":' * 1_000, b"a" * 5_000, "é".encode(), "\U0001f3b8".encode(), "ﷺ".encode(), b"\x7f",
)  # fmt: skip
INPUT_BYTES_MAX = 20_000
_MISTAKES_MAX = 4


def input_of(number: int, seeds: Sequence[bytes], random: Random) -> bytes:
    """The input with a number: one of the seeds, after up to four mistakes. Takes: random, whose state is lost."""
    random.seed(number)
    data = bytearray(random.choice(seeds))
    for _ in range(random.randrange(_MISTAKES_MAX + 1)):
        _make_mistake(data, seeds, random)
    return bytes(data[:INPUT_BYTES_MAX])


def _make_mistake(data: bytearray, seeds: Sequence[bytes], random: Random) -> None:
    begin = random.randrange(len(data) + 1)
    end = min(len(data), begin + random.choice((1, 1, 2, 8, 64)))
    match random.randrange(8):
        case 0:
            data[begin:begin] = random.choice(TOKENS)
        case 1:
            data[begin:end] = random.choice(TOKENS)
        case 2:
            data[begin:end] = random.randbytes(end - begin)
        case 3 if begin < len(data):
            data[begin] ^= 1 << random.randrange(8)
        case 4:
            del data[begin:end]
        case 5:
            data[begin:begin] = data[begin:end] * random.choice((1, 2, 30))
        case 6:
            other = random.choice(seeds)
            data[begin:] = other[random.randrange(len(other) + 1) :]
        case _:
            del data[begin:]
