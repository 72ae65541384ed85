"""Jobs and their results as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.table import Table

from server.errors import SetupError
from server.protocol.http.cursors import ID_MAX
from server.store.database import Database
from server.sync.artists import SyncedArtist
from server.sync.file_import import ImportResult
from server.sync.queries import jobs
from server.sync.records import STAGES

JOBS_SHOWN = 20
OUTCOMES_SHOWN = 10_000
FORGOTTEN = {
    "shows": "shows",
    "venues": "venues",
    "played": "actual setlists",
    "predicted": "predicted setlists",
    "links": "ids and links",
    "questions": "questions to a person",
    "answers": "cached responses",
    "log_lines": "lines of its runs' logs",
}
OUTCOMES = ("added", "changed", "unchanged", "refused")


def as_lines(result: ImportResult, file: str, *, everything: bool) -> Iterator[str]:
    """One line for each record that was refused or has a note; with `everything` also for added and changed ones."""
    for stage, one in sorted(result.results, key=lambda pair: pair[1].line or 0):
        if one.outcome == "refused" or one.note or everything:
            yield f"{file}:{one.line}: {stage}: {one.outcome}: {one.told}"


def as_table(result: ImportResult, *, dry_run: bool) -> Table:
    """The number of records of each stage by outcome."""
    title = "would be" if dry_run else f"run {result.job_id}"
    table = Table(title, *OUTCOMES)
    for stage in STAGES:
        if stage in result.counts:
            table.add_row(stage, *(str(result.counts[stage].get(outcome, 0)) for outcome in OUTCOMES))
    return table


async def fetch_jobs(database: Database) -> list[Any]:
    """The latest jobs, the newest first.

    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        return [row async for row in jobs.list_jobs(connection, before_id=ID_MAX, count=JOBS_SHOWN)]


def jobs_as_table(rows: Sequence[Any]) -> Table:
    """One row for each job."""
    table = Table("run", "what", "status", "done", "refused", "began", "error or first refusal")
    for row in rows:
        progress = {stage["stage"]: stage for stage in msgspec.json.decode(row["stages"])}
        done = ", ".join(
            f"{stage} {progress[stage]['done']}/{progress[stage]['total']}" for stage in STAGES if stage in progress
        )
        began = row["created_at"].strftime("%Y-%m-%d %H:%M")
        what = f"{row['kind']} {row['subject']}"
        reason = row["error"] or row["warning"] or ""
        table.add_row(str(row["id"]), what, row["status"], done, str(row["refused_count"]), began, reason)
    return table


async def fetch_job_results(database: Database, ids: Sequence[int]) -> list[Any]:
    """The results of some jobs, in the order of their ids.

    Raises: StoreUnavailable
    """
    async with database.connection() as connection:
        return [row async for row in jobs.fetch_job_results(connection, ids=list(ids))]


def job_results_as_table(rows: Sequence[Any]) -> Table:
    """One row for each job, with the numbers of records that it added, changed and refused."""
    table = Table("run", "what", "status", "added", "changed", "refused", "error")
    for row in rows:
        counts = [str(row[f"{outcome}_count"]) for outcome in ("added", "changed", "refused")]
        table.add_row(str(row["id"]), f"{row['kind']} at {row['service']}", row["status"], *counts, row["error"])
    return table


async def fetch_outcomes(database: Database, job_id: int) -> list[Any]:
    """The results of a job's records, without unchanged ones; the first OUTCOMES_SHOWN.

    Raises: SetupError: no such job; StoreUnavailable
    """
    if not await fetch_job_results(database, [job_id]):
        raise SetupError(f"no run has the number {job_id}: `mysetlist sync status` lists the latest runs")
    async with database.connection() as connection:
        return [row async for row in jobs.fetch_outcomes(connection, job_id=job_id, count=OUTCOMES_SHOWN)]


def outcomes_as_table(outcomes: Sequence[Any]) -> Table:
    """One row for each record."""
    table = Table("line", "stage", "outcome", "record or reason")
    for outcome in outcomes:
        table.add_row(str(outcome["line"] or ""), outcome["stage"], outcome["outcome"], outcome["message"])
    return table


def forgotten_as_table(service: str, gone: Mapping[str, int]) -> Table:
    """The numbers of rows that were deleted with a provider, and of its shows that stay."""
    table = Table("of " + service, "deleted")
    for name, label in FORGOTTEN.items():
        table.add_row(label, str(gone.get(name, 0)))
    table.add_section()
    table.add_row("shows that stay, without a link", str(gone.get("kept", 0)))
    return table


def artist_as_table(artist: SyncedArtist) -> Table:
    """The result of syncing one artist."""
    table = Table(f"run {artist.job_id}", artist.name, show_lines=False)
    table.add_row("outcome", artist.outcome)
    table.add_row("slug", artist.slug)
    table.add_row("evidence", artist.evidence)
    for identity in artist.identities:
        table.add_row("known as", identity)
    for service in artist.missing:
        table.add_row("not found at", service)
    return table
