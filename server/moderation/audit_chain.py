"""The audit log's chain of hashes: a chore adds new entries to it, and `mysetlist audit --log` compares both (docs/adr/0048).

The hashes are calculated here again, from the entries as they stand in the database. Whoever may write everything there can also
calculate a new chain; only a head that was noted elsewhere shows that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import structlog

from server.errors import SetupError
from server.moderation.queries import audit_chain as queries
from server.store.chores import Chore
from server.store.database import Database

log = structlog.get_logger()

CHAIN_EVERY_S = 1.0
CHAIN_AT_ONCE_MAX = 1000
READ_AT_ONCE = 1000
STRAYS_MAX = 100
# A check reads the whole log.
TIMEOUT_S = 600.0
_START = bytes(32)


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: its position, 1 for the first entry, and its hash, 64 hexadecimal digits."""

    position: int
    hash: str

    def __str__(self) -> str:
        return f"{self.position}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Reads a head as it was printed. Raises: SetupError."""
        found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text.strip())
        if found is None:
            raise SetupError(
                f"{text[:80]!r} is no head of the chain. Give it as it was printed: the position, a colon, and 64 digits."
            )
        return cls(int(found[1]), found[2])


@dataclass(slots=True)
class Findings:
    """What a check has found. `problems` are sentences; empty: log and chain agree."""

    head: Head | None = None
    entry_count: int = 0
    erased_count: int = 0
    problems: list[str] = field(default_factory=list)


async def chain_acts(connection: Any) -> None:
    """Gives new entries their place in the chain. The node's log gets the new head, so that it also stands outside the database."""
    count = 0
    while chained := await queries.chain_acts(connection, most=CHAIN_AT_ONCE_MAX):
        count += chained
    if count:
        head = await queries.head(connection)
        assert head is not None
        log.info("audit.chained", entries=count, head=str(Head(head["position"], head["hash"])))


async def check(database_url: str, noted: Head | None = None) -> Findings:
    """Compares the audit log with its chain, at one instant.

    Takes:  noted, a head that was printed or logged earlier
    Raises: StoreUnavailable
    """
    database = await Database.open(database_url, pool_size=1, timeout_s=TIMEOUT_S)
    try:
        async with database.snapshot() as connection:
            return await _check(connection, noted)
    finally:
        await database.close()


async def _check(connection: Any, noted: Head | None) -> Findings:
    findings = Findings()
    position = 0
    before: bytes | None = _START  # the hash of the entry before; None: unknown
    while links := [row async for row in queries.links(connection, after_position=position, count=READ_AT_ONCE)]:
        for link in links:
            if link["position"] != position + 1:
                gone = (
                    f"{position + 1}"
                    if link["position"] == position + 2
                    else f"{position + 1} to {link['position'] - 1}"
                )
                findings.problems.append(f"position {gone}: missing in the chain")
                # What follows a gap cannot be compared with what stood there.
                before = None
            _compare(link, before, findings)
            position, before = link["position"], link["hash"]
            findings.head = Head(position, link["hash"].hex())
            if noted is not None and noted.position == position and noted != findings.head:
                findings.problems.append(
                    f"position {position}: its hash is {findings.head.hash}, you noted {noted.hash}. Something up to here was changed"
                    " together with the chain."
                )
    if noted is not None and noted.position > position:
        findings.problems.append(
            f"the chain ends at position {position}, you noted {noted.position}: its end was removed"
        )
    async for stray in queries.strays(connection, count=STRAYS_MAX):
        missing = "it was noted for the chain, and is missing in the log"
        findings.problems.append(f"entry {stray['entry_id']}: {missing if stray['is_missing'] else 'not in the chain'}")
    return findings


def _compare(link: Any, before: bytes | None, findings: Findings) -> None:
    where = f"entry {link['entry_id']}"
    if link["entry"] is None:
        findings.problems.append(f"{where}: missing in the log")
        return
    findings.entry_count += 1
    if link["about"] is None:
        findings.erased_count += 1
        if not link["is_blank"]:
            findings.problems.append(f"{where}: it counts as erased, but its subject or detail is not empty")
    elif sha256(link["about"].encode()).digest() != link["about_hash"]:
        findings.problems.append(f"{where}: its subject or detail was altered")
    if before is not None and sha256(before + link["about_hash"] + link["entry"].encode()).digest() != link["hash"]:
        findings.problems.append(f"{where}: its actor, action or time was altered, or its place in the chain")


CHAINING = Chore("audit_chain", CHAIN_EVERY_S, chain_acts)
