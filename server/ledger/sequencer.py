"""The sequencer: appends to the logs of shows what was committed, and signs their checkpoints.

Entries, tree and checkpoint are one transaction, so a crash at any moment leaves all of it or nothing. The node whose connection
holds a lock does it. Two that both believe so do no harm: the second one finds the log taken or of another size, and its transaction is undone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from itertools import chain, islice, takewhile
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.clock import Clock, utc_now
from server.errors import StoreError, StoreUnavailable
from server.ledger.entries import Choice, Kind, blanked
from server.ledger.growing import GrowingLog, Votes
from server.ledger.names import FanNames
from server.ledger.notes import key_of
from server.ledger.queries import sequencer as queries
from server.store.database import connect, translated_all
from server.store.hosts import check_takes_writes
from server.telemetry import LEDGER_BEHIND_SECONDS, LEDGER_ENTRIES

log = structlog.get_logger()

# After this time a change of votes is signed; one second is the promise. A signature costs as much as thirty votes, and each show that
# got votes has one each time.
EVERY_S = 0.75
ASK_EVERY_S = 1.0
HOUR_MS = 3_600_000
# Longer than any pause. A stopped process would otherwise keep the turn for ever.
IDLE_S_MAX = 10.0
# Much at once, because each show that has votes in it is signed: at 20,000 votes a second it is about what a pause brings.
NOTES_AT_ONCE = 8_000
ENTRIES_AT_ONCE = 16_384

_KINDS = {
    "changed": Kind.CHANGED,
    "inherited": Kind.INHERITED,
    "set_aside": Kind.SET_ASIDE,
    "counted": Kind.COUNTED,
}


class Sequencer:
    """Runs on every node; one of them appends.

    Takes: url, of PostgreSQL, with the rights of the owner; secret, of the nodes, from which the key comes; host, the name of this
           service for everybody, with which new origins begin
    """

    def __init__(self, url: str, clock: Clock, secret: str, host: str, *, every_s: float = EVERY_S) -> None:
        self._url = url
        self._clock = clock
        self._host = host
        self._every_s = every_s
        self._key: Ed25519PrivateKey = key_of(secret)
        self._public_key = self._key.public_key().public_bytes_raw()
        self._names = FanNames()
        # What this node has signed in this epoch, show -> size. A database with less was taken back.
        self._signed: dict[int, int] = {}
        self._epoch_id = 0
        # Notes were left that belong close behind those that were appended, such as an erasure behind the votes of its nobody.
        self._has_left = False

    async def run(self) -> None:
        """Waits for this node's turn, then appends, until cancelled. While PostgreSQL is away, it waits."""
        while True:
            try:
                await self._take_turn()
            except StoreError as error:
                log.warning("ledger.turn_lost", error=str(error))
            await asyncio.sleep(ASK_EVERY_S)

    async def _take_turn(self) -> None:
        connection = await connect(self._url, name="mysetlist-ledger", idle_max_s=IDLE_S_MAX)
        try:
            with translated_all():
                # Polled: a statement that waits for the lock would reach the timeout of statements.
                while not await queries.try_lock_ledger(connection):
                    await _measure(connection)
                    await asyncio.sleep(ASK_EVERY_S)
                    check_takes_writes(connection)
            loop, took_s = asyncio.get_running_loop(), 0.0
            while True:
                check_takes_writes(connection)
                is_in_the_way = False
                began_s = loop.time()
                try:
                    with translated_all():
                        count = await self.append_next(connection)
                    took_s = loop.time() - began_s if count else 0.0
                except StoreError as error:
                    if connection.is_closed():
                        raise
                    # An erasure holds a note or a fan, or somebody holds a log; it takes a moment.
                    log.info("ledger.waiting", error=str(error))
                    is_in_the_way = True
                with translated_all():
                    behind_s = await _measure(connection)
                if is_in_the_way or not self._has_left:
                    # What has come meanwhile waits for more, because it would be signed again at once: until the next append, which
                    # takes about as long as this one, must begin.
                    pause_s = self._every_s if is_in_the_way else self._every_s - behind_s - took_s
                    await asyncio.sleep(max(0.0, pause_s))
        finally:
            self._names.forget()
            connection.terminate()

    async def append_next(self, connection: Any) -> int:
        """Appends what the oldest notes tell, and signs the logs that have grown.

        Gives:  how many notes are done; 0: there was none
        Raises: the driver's exceptions; StoreUnavailable: nothing was appended, and the same notes can be tried again
        """
        self._has_left = False
        try:
            async with connection.transaction():
                found = [
                    note
                    async for note in queries.lock_notes(connection, count=NOTES_AT_ONCE, entry_count=ENTRIES_AT_ONCE)
                ]
                if not found:
                    return 0
                notes = _first_of(found)
                logs = await self._logs(connection, sorted({note["show_id"] for note in notes}))
                if notes[0]["kind"] == "erased":
                    # Their secrets must not stay here.
                    self._names.forget()
                    await _forget(connection, notes, logs)
                    grown = [each for each in logs.values() if await each.grow(self._key)]
                else:
                    grown = await self._add(connection, notes, logs)
                if grown:
                    await self._write(connection, grown)
                ids = [each for note in notes for each in note["ids"]]
                await queries.delete_notes(connection, ids=ids)
        except BaseException:
            # Secrets that were made are undone too.
            self._names.forget()
            raise
        self._keep(grown)
        self._has_left = len(notes) < len(found)
        return len(ids)

    def _keep(self, grown: Sequence[GrowingLog]) -> None:
        """Remembers what is committed now."""
        for each in grown:
            if each.epoch_id != self._epoch_id:
                self._epoch_id, self._signed = each.epoch_id, {}
            self._signed[each.show_id] = each.size
            LEDGER_ENTRIES.inc(each.size - each.old_size)

    async def _epoch(self, connection: Any) -> Any:
        """The epoch in which logs are signed now. Another database than the last time, or another key, begins a new one."""
        epoch = await queries.fetch_epoch(connection)
        fingerprint = await queries.fetch_fingerprint(connection)
        if epoch is None:
            reason = "first"
        elif epoch["fingerprint"] != fingerprint:
            reason = "restored"
        elif epoch["public_key"] != self._public_key:
            reason = "key"
        else:
            return epoch
        return await self._begin_epoch(connection, fingerprint, reason)

    async def _begin_epoch(self, connection: Any, fingerprint: str, reason: str) -> Any:
        name = secrets.token_hex(4)
        epoch = await queries.insert_epoch(
            connection,
            name=name,
            origin=f"{self._host}/ledger/{name}",
            public_key=self._public_key,
            fingerprint=fingerprint,
            reason=reason,
        )
        await queries.note_epoch(connection, epoch_id=epoch["id"])
        log.warning("ledger.epoch_begun", origin=epoch["origin"], reason=reason)
        return epoch

    async def _logs(self, connection: Any, shows: Sequence[int]) -> dict[int, GrowingLog]:
        """The logs of these shows, locked; those of shows that are gone are left out."""
        epoch = await self._epoch(connection)
        rows = {row["show_id"]: row async for row in queries.lock_logs(connection, show_ids=shows)}
        left = [row["id"] async for row in queries.shows_left(connection, show_ids=shows)]
        is_known = epoch["id"] == self._epoch_id
        if is_known and any(self._signed.get(show, 0) > (rows[show]["size"] if show in rows else 0) for show in left):
            epoch = await self._begin_epoch(connection, epoch["fingerprint"], "restored")
        now_ms = self._clock.now_ms()
        return {show: GrowingLog(show, epoch, rows.get(show), now_ms=now_ms) for show in left}

    async def _add(self, connection: Any, notes: Sequence[Any], logs: dict[int, GrowingLog]) -> list[GrowingLog]:
        """Adds the entries of notes to the logs. Gives: those that have grown."""
        votes = await _votes(connection, notes)
        of_show: dict[int, list[int]] = {show: [] for show in logs}
        for number, note in enumerate(notes):
            if note["show_id"] in logs:
                of_show[note["show_id"]].append(number)
        fans = {
            show: list(chain.from_iterable(told.fans() for number in numbers for told in votes[number]))
            for show, numbers in of_show.items()
        }
        names = await self._names.of(connection, fans)
        grown = []
        # A log after the other, so that what is made for one of them stays in the caches of the processor.
        for show, numbers in of_show.items():
            of_fans = iter(names[show])
            for number in numbers:
                _add_note(logs[show], notes[number], votes[number], of_fans)
                await logs[show].hash_full_rows()
            if await logs[show].grow(self._key):
                grown.append(logs[show])
        return grown

    async def _write(self, connection: Any, grown: Sequence[GrowingLog]) -> None:
        """Writes logs with all that they have grown by."""
        count = await queries.put_logs(
            connection,
            show_ids=[log.show_id for log in grown],
            old_sizes=[log.old_size for log in grown],
            sizes=[log.size for log in grown],
            frontiers=[log.frontier.packed() for log in grown],
            were_opened=[log.was_opened for log in grown],
            checkpoints=[log.checkpoint for log in grown],
            epoch_id=grown[0].epoch_id,
            signed_at=utc_now(self._clock),
        )
        if count < len(grown):
            raise StoreUnavailable("another node has appended")
        rows = [row for log in grown for row in log.rows]
        await queries.insert_entries(
            connection,
            show_ids=[row.show_id for row in rows],
            firsts=[row.first for row in rows],
            counts=[row.count for row in rows],
            first_ms=[row.first_ms for row in rows],
            last_ms=[row.last_ms for row in rows],
            leaves=[row.leaves for row in rows],
            entries=b"".join(row.entries for row in rows),
        )
        nodes = [(log.show_id, level, number, hash_) for log in grown for (level, number), hash_ in log.nodes.items()]
        if nodes:
            shows, levels, numbers, hashes = zip(*nodes, strict=True)
            await queries.insert_nodes(connection, show_ids=shows, levels=levels, numbers=numbers, hashes=hashes)


async def _measure(connection: Any) -> float:
    """Publishes the age of the oldest note [s], and gives it."""
    behind_s = await queries.behind_s(connection) or 0.0
    LEDGER_BEHIND_SECONDS.set(behind_s)
    return behind_s


def _first_of(found: Sequence[Any]) -> list[Any]:
    """The notes of one transaction: erasures apart from everything else."""
    is_erasure = found[0]["kind"] == "erased"
    notes = list(takewhile(lambda note: (note["kind"] == "erased") is is_erasure, found))
    if is_erasure:
        # An erasure notes some names twice: where votes are handed on, and where the statistics know the fan.
        names = {note["pseudonym"] for note in notes}
        notes += [note for note in found[len(notes) :] if note["pseudonym"] in names]
    return notes


def _add_note(log: GrowingLog, note: Any, votes: Sequence[Votes], names: Iterator[bytes | None]) -> None:
    """Adds the entries of a note to its log. Takes: names, of the fans of the votes; None: the fan is erased."""
    if note["kind"] in ("opened", "closed"):
        log.add_voting(is_open=note["kind"] == "opened", time_ms=note["at_ms"])
        return
    count = sum(log.add_votes(told, list(islice(names, told.entry_count))) for told in votes)
    if note["kind"] == "casts" and count < note["count"]:
        # Of fans who were erased before this: nobodies hold their votes, and that must be explained.
        log.add_erased(note["count"] - count, time_ms=note["at_ms"] // HOUR_MS * HOUR_MS)


async def _votes(connection: Any, notes: Sequence[Any]) -> list[list[Votes]]:
    """What each note tells of votes and ballots."""
    votes: list[list[Votes]] = [[] for _ in notes]
    casts = [(each, number) for number, note in enumerate(notes) if note["kind"] == "casts" for each in note["ids"]]
    if casts:
        ids, numbers = zip(*casts, strict=True)
        shows = list({note["show_id"] for note in notes if note["kind"] == "casts"})
        async for row in queries.fetch_casts(connection, ids=ids, numbers=numbers, show_ids=shows):
            note = notes[row["number"]]
            votes[row["number"]].append(Votes(Kind.CAST, row["votes"] or b"", note["at_ms"], note["last_ms"]))
    for note, told in zip(notes, votes, strict=True):
        if note["kind"] in _KINDS:
            kind = _KINDS[note["kind"]]
            told.append(Votes.one(kind, note["setlist_song_id"], note["user_id"], note["at_ms"], note["choice"]))
        elif note["kind"] == "all_votes":
            found = await queries.fetch_all_votes(connection, show_id=note["show_id"])
            if found["votes"]:
                told.append(Votes(Kind.CHANGED, found["votes"], found["first_ms"], found["last_ms"]))
            told += [
                Votes.one(Kind.SET_ASIDE, 0, row["user_id"], note["noted_ms"], Choice.NONE)
                async for row in queries.fetch_set_aside(connection, show_id=note["show_id"])
            ]
    return votes


async def _forget(connection: Any, notes: Sequence[Any], logs: dict[int, GrowingLog]) -> None:
    """Blanks the entries of erased fans, and adds an entry for each of them."""
    for show, grown in logs.items():
        times = {note["pseudonym"]: note["at_ms"] for note in notes if note["show_id"] == show}
        counts: dict[bytes, int] = {}
        # Read whole, because they are changed meanwhile.
        rows = [row async for row in queries.entries_of_fans(connection, show_id=show, pseudonyms=list(times))]
        for row in rows:
            kept, blank = blanked(row["entries"], set(times))
            counts = {fan: counts.get(fan, 0) + blank.get(fan, 0) for fan in counts.keys() | blank.keys()}
            await queries.update_entries(connection, show_id=show, first=row["first"], entries=kept)
        for fan, count in sorted(counts.items()):
            grown.add(Kind.ERASED, song=count, time_ms=times[fan])
