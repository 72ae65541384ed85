"""Log positions: one integer, `ms << 10 | seq`, growing for ever within a shard.

Exact in a double until the year 2248, so JavaScript and Lua may hold it as a number. A stream entry's id in
Valkey is the same value written `ms-seq`.
"""

from __future__ import annotations

SEQ_BITS = 10
SEQ_MAX = (1 << SEQ_BITS) - 1
EXACT_MAX = (1 << 53) - 1


def position_of(ms: int, seq: int) -> int:
    """The position of entry `seq` in millisecond `ms` [ms since 1970]."""
    if not 0 <= seq <= SEQ_MAX:
        raise ValueError(f"seq {seq} is outside 0..{SEQ_MAX}")
    return ms << SEQ_BITS | seq


def stream_id(position: int) -> str:
    """A position as the id of a stream entry."""
    return f"{position >> SEQ_BITS}-{position & SEQ_MAX}"


def from_stream_id(entry_id: bytes) -> int:
    """The position behind a stream entry's id, `b"ms-seq"`."""
    ms, _, seq = entry_id.partition(b"-")
    return position_of(int(ms), int(seq))
