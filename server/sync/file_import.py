"""Imports a file's records into the catalogue.

The import goes stage by stage, in bounded batches, each its own transaction. When it is interrupted, the batches that
were written stay, and a second import of the file completes them. A record that is refused is reported with its line;
the other records are written.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from server.errors import StoreConflict
from server.protocol.progress import ReportProgress, ignore_progress
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules
from server.sync.file_parser import ParsedFile, ParsedRecord, Refusal, read_file
from server.sync.jobs import log_results, recorded_job
from server.sync.queries import jobs
from server.sync.record_writer import Hold, hold_nothing, write_records
from server.sync.records import STAGES, ArtistRecord, RecordResult, SongRecord
from server.sync.references import RecordRefused

if TYPE_CHECKING:
    from server.store.database import Connection

RECORDS_PER_BATCH = 500
# Votes on the shows of a batch wait while it is written.
SHOWS_PER_BATCH = 100


class ImportResult(msgspec.Struct):
    """The results of an import. `results` leaves out unchanged records without a note."""

    job_id: int | None = None  # None: a dry run, which leaves no trace
    counts: dict[str, dict[str, int]] = {}  # stage -> outcome -> number of records
    results: list[tuple[str, RecordResult]] = []  # with the stage of each

    def add(self, stage: str, results: Sequence[RecordResult]) -> None:
        """Counts results of one stage."""
        counts = self.counts.setdefault(stage, {})
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
            if result.outcome != "unchanged" or result.note:
                self.results.append((stage, result))


class _DryRun(Exception):
    """Ends the transaction of a dry run."""


async def import_file(
    database: Database,
    path: Path,
    change_rules: ChangeRules,
    *,
    dry_run: bool = False,
    report_progress: ReportProgress = ignore_progress,
) -> ImportResult:
    """Imports a CSV or JSON file into the catalogue.

    Takes:  dry_run, writes everything in one transaction and rolls it back
    Raises: SetupError: the file cannot be read; StoreUnavailable; Refused: unavailable, Valkey does not answer
    Cancel: batches that were written stay; the job is recorded as cancelled
    """
    parsed = _with_songs_of_artists(read_file(path))
    result = ImportResult()
    if dry_run:
        with contextlib.suppress(_DryRun):
            await _dry_run(database, parsed, result, report_progress)
        return result
    async with recorded_job(database, "file", "import", path.name[:300]) as job_id:
        result.job_id = job_id
        unreadable = _refused_by_stage(parsed.refusals)
        totals = {stage: len(parsed.stages.get(stage, [])) + len(unreadable.get(stage, [])) for stage in STAGES}
        done: dict[str, int] = {}
        for stage, refused in unreadable.items():
            result.add(stage, refused)
            done[stage] = len(refused)
            async with database.transaction() as connection:
                await log_results(connection, job_id, stage, refused)
                await jobs.put_progress(connection, job_id=job_id, stage=stage, done=done[stage], total=totals[stage])
        async for stage, batch in _batches(parsed, report_progress):
            async with change_rules(database.transaction()) as change:
                connection = change.connection
                results = await _write_batch(connection, stage, batch, change.hold)
                result.add(stage, results)
                await log_results(connection, job_id, stage, results)
                done[stage] = done.get(stage, 0) + len(batch)
                await jobs.put_progress(connection, job_id=job_id, stage=stage, done=done[stage], total=totals[stage])
    return result


async def _dry_run(
    database: Database, parsed: ParsedFile, result: ImportResult, report_progress: ReportProgress
) -> None:
    for stage, refused in _refused_by_stage(parsed.refusals).items():
        result.add(stage, refused)
    async with database.transaction() as connection:
        async for stage, batch in _batches(parsed, report_progress):
            result.add(stage, await _write_batch(connection, stage, batch, hold_nothing))
        raise _DryRun


def _refused_by_stage(refusals: Sequence[Refusal]) -> dict[str, list[RecordResult]]:
    refused: dict[str, list[RecordResult]] = {}
    for refusal in sorted(refusals, key=lambda refusal: refusal.stage):
        refused.setdefault(refusal.stage, []).append(RecordResult(refusal.line, "refused", refusal.message))
    return refused


async def _batches(
    parsed: ParsedFile, report_progress: ReportProgress
) -> AsyncIterator[tuple[str, Sequence[ParsedRecord]]]:
    for stage in STAGES:
        records = parsed.stages.get(stage, [])
        size = SHOWS_PER_BATCH if stage in ("shows", "setlists") else RECORDS_PER_BATCH
        for start in range(0, len(records), size):
            batch = records[start : start + size]
            yield stage, batch
            report_progress(stage, start + len(batch), len(records))


def _with_songs_of_artists(parsed: ParsedFile) -> ParsedFile:
    """Adds the songs that stand with an artist to the stage of songs."""
    songs = [
        ParsedRecord(found.line, SongRecord(artist=found.record.slug or found.record.name, title=title))
        for found in parsed.stages.get("artists", [])
        if isinstance(found.record, ArtistRecord)
        for title in found.record.songs
    ]
    if not songs:
        return parsed
    return ParsedFile({**parsed.stages, "songs": songs + parsed.stages.get("songs", [])}, parsed.refusals)


async def _write_batch(
    connection: Connection, stage: str, batch: Sequence[ParsedRecord], hold: Hold
) -> list[RecordResult]:
    """Writes a batch. When one of its records is refused, writes each record alone, so that only that one is refused."""
    try:
        async with savepoint(connection):
            return await write_records(connection, stage, [(parsed.line, parsed.record) for parsed in batch], hold)
    except (StoreConflict, RecordRefused):
        return [result for parsed in batch for result in await _write_alone(connection, stage, parsed, hold)]


async def _write_alone(connection: Connection, stage: str, parsed: ParsedRecord, hold: Hold) -> list[RecordResult]:
    try:
        async with savepoint(connection):
            return await write_records(connection, stage, [(parsed.line, parsed.record)], hold)
    except StoreConflict as error:
        return [RecordResult(parsed.line, "refused", f"it breaks the database's rule {error.constraint}")]
    except RecordRefused as error:
        return [RecordResult(parsed.line, "refused", str(error))]
