"""The names of all keys in Valkey. All keys of a show have its shard's hash tag."""

from __future__ import annotations


def shard_prefix(shard: int) -> str:
    """The beginning of all keys of a shard. The scripts of voting/ add the rest.

    Only they use three more keys: `shows`, the set of warm shows; `revisions`, show -> the lowest revision that a warm-up
    may bring; `holds`, show -> the changes of rules under way (hold.lua).
    """
    return f"{{{shard}}}:"


def log_key(shard: int) -> str:
    """The shard's stream of accepted batches."""
    return f"{{{shard}}}:log"


def meta_key(shard: int) -> str:
    """Hash: `last`, the log's last position; `barrier`, the oldest database position that a warm-up may read at; in a cluster also
    `server`, the process that the shard was opened on.
    """
    return f"{{{shard}}}:meta"


def show_key(shard: int, show_id: int) -> str:
    """Hash: the show's rules.

    `o` opens [ms], `c` closes [ms], `l` locked, `b` budget, `r` revision, `t` requires a ticket, `a` audience of its counts,
    `p` played songs, " 101 102 ", `n` new when it was warmed up: absent ballots are empty, `u` last used [ms], a minute late at most
    """
    return f"{{{shard}}}:show:{show_id}"


def tally_key(shard: int, show_id: int) -> str:
    """Hash: song -> "up down"."""
    return f"{{{shard}}}:tally:{show_id}"


def ballots_key(shard: int, show_id: int) -> str:
    """Hash: user -> ballot, "101u102d"; with an order "7:101u102d"; "-" before all of it: the ballot is set aside; without
    songs: the user holds no vote; absent: cold, or empty if the show was new when it was warmed up.
    """
    return f"{{{shard}}}:ballots:{show_id}"


def tickets_key(shard: int, show_id: int) -> str:
    """Set: users with a ticket, as far as known; exists while the show is warm."""
    return f"{{{shard}}}:tickets:{show_id}"


# Sorted set: names of nodes, by the time of their last report [ms]. A key with the tag "{fleet}" is in the same slot.
FLEET_KEY = "fleet"


def node_key(node: str) -> str:
    """String with a time to live: the last report of a node."""
    return f"{{fleet}}:node:{node}"


# Hash: node -> what it told of itself in the last second; a node that was silent for long is taken out.
VITALS_KEY = "fleet:vitals"


def answers_key(question: str) -> str:
    """List with a time to live: the answers of nodes to a question."""
    return f"fleet:answers:{question}"


# String with a time to live, which nodes write to see whether Valkey takes writes.
PROBE_KEY = "probe"

# Hash: user -> "generation day spent" (days since 1970, UTC), "generation" -> the number of resets. The database has to
# confirm a value of an older generation before it counts. One key on a single server, see docs/adr/0004.
SPENT_KEY = "spent"


def spent_key(shard: int, *, is_cluster: bool) -> str:
    """The hash of spent votes that a shard's scripts work on.

    In a cluster it holds the users whose home is this shard, and `server`, the process that it was opened on (docs/adr/0040).
    """
    return f"{{{shard}}}:spent" if is_cluster else SPENT_KEY


def gate_keys(service: str, day: str) -> tuple[str, str, str]:
    """A provider's gate (gate.lua): its state, the last turns, the questions of a UTC day."""
    tag = f"{{gate:{service}}}"
    return f"{tag}:state", f"{tag}:turns", f"{tag}:day:{day}"
