"""Every key in Valkey. All keys of a show carry its shard's hash tag."""

from __future__ import annotations


def shard_prefix(shard: int) -> str:
    """What the keys of a shard begin with; cast.lua and its sisters build the rest."""
    return f"{{{shard}}}:"


def log_key(shard: int) -> str:
    """The shard's stream of accepted batches."""
    return f"{{{shard}}}:log"


def meta_key(shard: int) -> str:
    """Hash: `last`, the log's last position; `barrier`, the oldest database position a seed may come from."""
    return f"{{{shard}}}:meta"


def show_key(shard: int, show_id: int) -> str:
    """Hash: the show's rules (`o` opens, `c` closes [ms], `l` locked, `b` budget, `r` revision, `t` requires a ticket)."""
    return f"{{{shard}}}:show:{show_id}"


def tally_key(shard: int, show_id: int) -> str:
    """Hash: song -> "up down"."""
    return f"{{{shard}}}:tally:{show_id}"


def ballots_key(shard: int, show_id: int) -> str:
    """Hash: user -> ballot, "101u102d"; empty: known to hold no vote; absent: not known."""
    return f"{{{shard}}}:ballots:{show_id}"


def tickets_key(shard: int, show_id: int) -> str:
    """Set: users who are known to have a ticket; there while the show is warm."""
    return f"{{{shard}}}:tickets:{show_id}"


# Sorted set: names of nodes, by when they were last heard of [ms].
FLEET_KEY = "fleet"


def node_key(node: str) -> str:
    """String with a time to live: what a node tells of itself."""
    return f"fleet:node:{node}"


def answers_key(question: str) -> str:
    """List with a time to live: what nodes answered to a question."""
    return f"fleet:answers:{question}"


# Hash: user -> "generation day spent" (days since 1970, UTC), "generation" -> how many resets there have been: what is of
# an older one is held against the database before it counts. Not sharded, see docs/adr/0004.
SPENT_KEY = "spent"


def gate_keys(service: str, day: str) -> tuple[str, str, str]:
    """A provider's gate (gate.lua): its state, the last turns given, the questions of a UTC day."""
    tag = f"{{gate:{service}}}"
    return f"{tag}:state", f"{tag}:turns", f"{tag}:day:{day}"
