"""Bringing a file's records into the catalogue.

Stage by stage, in bounded batches, each its own transaction: what was written stays written when the run is broken
off, and running the file again finishes it. A record that cannot be taken is told with its line; the rest goes in.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from server.errors import MysetlistError, StoreConflict
from server.store.database import Database, savepoint
from server.sync.file_parser import ParsedFile, ParsedRecord, Refusal, read_file
from server.sync.record_writer import Outcomes, RecordRefused, queries, write_records
from server.sync.records import STAGES, ArtistRecord, SongRecord

if TYPE_CHECKING:
    from server.store.database import Connection

RECORDS_PER_BATCH = 500

# Called with stage, done, total.
Progress = Callable[[str, int, int], None]


class Told(msgspec.Struct, frozen=True):
    """One record's fate, for whoever looks."""

    stage: str
    line: int
    outcome: str  # added, changed, unchanged, refused
    message: str


class ImportResult(msgspec.Struct):
    """What a run did. `told` leaves out what was simply there already."""

    job_id: int | None = None  # None: a dry run leaves no trace
    counts: dict[str, dict[str, int]] = {}  # stage -> outcome -> how many
    told: list[Told] = []


class _DryRun(Exception):
    """Ends a dry run's transaction."""


async def import_file(
    database: Database, path: Path, *, dry_run: bool = False, progress: Progress = lambda *_: None
) -> ImportResult:
    """Brings a CSV or JSON file into the catalogue.

    Takes:  dry_run, everything is tried and nothing is kept
    Raises: SetupError: the file cannot be read; StoreUnavailable
    Cancel: what was written stays; the job is marked cancelled
    """
    contents = read_file(path)
    result = ImportResult()
    if dry_run:
        with contextlib.suppress(_DryRun):
            await _rehearse(database, contents, result, progress)
        return result
    async with database.connection() as connection:
        result.job_id = await queries.insert_job(connection, service="file", kind="import", subject=path.name[:300])
    async with recording_end(database, result.job_id):
        for stage in sorted({refusal.stage for refusal in contents.refusals}):
            refused = [refusal for refusal in contents.refusals if refusal.stage == stage]
            async with database.transaction() as connection:
                await _log(connection, result.job_id, stage, _refuse(refused, result))
        done: dict[str, int] = {}
        async for stage, batch in _batches(contents, progress):
            async with database.transaction() as connection:
                told = await _take(connection, stage, batch, result)
                await _log(connection, result.job_id, stage, told)
                done[stage] = done.get(stage, 0) + len(batch)
                await queries.put_progress(
                    connection,
                    job_id=result.job_id,
                    stage=stage,
                    done=done[stage],
                    total=len(contents.stages.get(stage, [])),
                )
    return result


async def _rehearse(database: Database, contents: ParsedFile, result: ImportResult, progress: Progress) -> None:
    _refuse(contents.refusals, result)
    async with database.transaction() as connection:
        async for stage, batch in _batches(contents, progress):
            await _take(connection, stage, batch, result)
        raise _DryRun


@asynccontextmanager
async def recording_end(database: Database, job_id: int) -> AsyncIterator[None]:
    """Says at the end of a run how it ended: succeeded, failed and why, or cancelled."""
    status, reason = "cancelled", ""
    try:
        yield
        status = "succeeded"
    except MysetlistError as error:
        status, reason = "failed", str(error)
        raise
    finally:
        async with database.connection() as connection:
            await queries.finish_job(connection, id=job_id, status=status, error=reason)


async def _batches(contents: ParsedFile, progress: Progress) -> AsyncIterator[tuple[str, Sequence[ParsedRecord]]]:
    stages = _with_songs_of_artists(contents.stages)
    for stage in STAGES:
        records = stages.get(stage, [])
        for begin in range(0, len(records), RECORDS_PER_BATCH):
            batch = records[begin : begin + RECORDS_PER_BATCH]
            yield stage, batch
            progress(stage, begin + len(batch), len(records))


def _with_songs_of_artists(stages: dict[str, list[ParsedRecord]]) -> dict[str, list[ParsedRecord]]:
    """Songs that stand with their artist are written as songs."""
    songs = [
        ParsedRecord(found.line, SongRecord(artist=found.record.slug or found.record.name, title=title))
        for found in stages.get("artists", [])
        if isinstance(found.record, ArtistRecord)
        for title in found.record.songs
    ]
    return stages if not songs else {**stages, "songs": songs + stages.get("songs", [])}


async def _take(connection: Connection, stage: str, batch: Sequence[ParsedRecord], result: ImportResult) -> list[Told]:
    """Writes a batch; when one of it will not do, each alone, so that only that one is refused."""
    try:
        async with savepoint(connection):
            outcomes = await write_records(connection, stage, [(found.line, found.record) for found in batch])
    except (StoreConflict, RecordRefused):
        outcomes = [outcome for found in batch for outcome in await _take_one(connection, stage, found)]
    return _count(stage, outcomes, result)


async def _take_one(connection: Connection, stage: str, found: ParsedRecord) -> Outcomes:
    try:
        async with savepoint(connection):
            return await write_records(connection, stage, [(found.line, found.record)])
    except StoreConflict as error:
        return [(found.line, "refused", f"it breaks the rule {error.constraint}")]
    except RecordRefused as error:
        return [(found.line, "refused", str(error))]


def _count(stage: str, outcomes: Outcomes, result: ImportResult) -> list[Told]:
    told = []
    counts = result.counts.setdefault(stage, {})
    for line, outcome, message in outcomes:
        counts[outcome] = counts.get(outcome, 0) + 1
        if outcome != "unchanged":
            told.append(Told(stage, line, outcome, message))
    result.told += told
    return told


def _refuse(refusals: Sequence[Refusal], result: ImportResult) -> list[Told]:
    told = []
    for refusal in refusals:
        told += _count(refusal.stage, [(refusal.line, "refused", refusal.message)], result)
    return told


async def _log(connection: Connection, job_id: int, stage: str, told: Sequence[Told]) -> None:
    if told:
        rows = [{"line": one.line, "outcome": one.outcome, "message": one.message} for one in told]
        await queries.insert_outcomes(connection, job_id=job_id, stage=stage, rows=msgspec.json.encode(rows).decode())


async def log_outcomes(connection: Connection, job_id: int, stage: str, outcomes: Outcomes) -> None:
    """Writes down what became of records that come from no file; without what was simply there."""
    rows = [
        {"line": None, "outcome": outcome, "message": message}
        for _, outcome, message in outcomes
        if outcome != "unchanged"
    ]
    if rows:
        await queries.insert_outcomes(connection, job_id=job_id, stage=stage, rows=msgspec.json.encode(rows).decode())
