"""Runs as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.table import Table

from server.store.database import Database
from server.sync.artists import SyncedArtist
from server.sync.file_import import ImportResult
from server.sync.record_writer import queries
from server.sync.records import STAGES

JOBS_SHOWN = 20
OUTCOMES_SHOWN = 10_000
FORGOTTEN = {
    "shows": "shows",
    "venues": "venues",
    "played": "setlists that were played",
    "predicted": "predicted setlists",
    "links": "ids and links",
    "questions": "questions to a person",
    "answers": "answers in the cache",
    "log_lines": "lines of its runs' logs",
}
OUTCOMES = ("added", "changed", "unchanged", "refused")


def as_lines(result: ImportResult, file: str, *, everything: bool) -> Iterator[str]:
    """A line a record: what was refused; with `everything` what was or would be added and changed too."""
    for told in sorted(result.told, key=lambda told: told.line):
        if told.outcome == "refused" or everything:
            yield f"{file}:{told.line}: {told.stage}: {told.outcome}: {told.message}"


def as_table(result: ImportResult, *, dry_run: bool) -> Table:
    """How many of each became what."""
    title = "would be" if dry_run else f"run {result.job_id}"
    table = Table(title, *OUTCOMES)
    for stage in STAGES:
        if stage in result.counts:
            table.add_row(stage, *(str(result.counts[stage].get(outcome, 0)) for outcome in OUTCOMES))
    return table


async def fetch_jobs(database: Database) -> list[Any]:
    """The latest runs, newest first."""
    async with database.connection() as connection:
        return [row async for row in queries.fetch_jobs(connection, count=JOBS_SHOWN)]


def jobs_as_table(jobs: list[Any]) -> Table:
    """One row a run."""
    table = Table("run", "what", "status", "done", "refused", "began", "error")
    for job in jobs:
        progress = msgspec.json.decode(job["progress"], type=dict[str, tuple[int, int]])
        done = ", ".join(f"{stage} {progress[stage][0]}/{progress[stage][1]}" for stage in STAGES if stage in progress)
        began = job["created_at"].strftime("%Y-%m-%d %H:%M")
        what = f"{job['kind']} {job['subject']}"
        table.add_row(str(job["id"]), what, job["status"], done, str(job["refused_count"]), began, job["error"])
    return table


async def fetch_runs(database: Database, ids: Sequence[int]) -> list[Any]:
    """Some runs, in their order."""
    async with database.connection() as connection:
        return [row async for row in queries.fetch_runs(connection, ids=list(ids))]


def runs_as_table(runs: list[Any]) -> Table:
    """One row a run, with what it added and changed."""
    table = Table("run", "what", "status", *OUTCOMES[:2], OUTCOMES[3], "error")
    for run in runs:
        counts = [str(run[f"{outcome}_count"]) for outcome in ("added", "changed", "refused")]
        table.add_row(str(run["id"]), f"{run['kind']} at {run['service']}", run["status"], *counts, run["error"])
    return table


async def fetch_outcomes(database: Database, job_id: int) -> list[Any]:
    """What became of a run's records that were not simply there already; the first OUTCOMES_SHOWN."""
    async with database.connection() as connection:
        return [row async for row in queries.fetch_outcomes(connection, job_id=job_id, count=OUTCOMES_SHOWN)]


def outcomes_as_table(outcomes: list[Any]) -> Table:
    """One row a record."""
    table = Table("line", "of", "became", "what")
    for outcome in outcomes:
        table.add_row(str(outcome["line"] or ""), outcome["stage"], outcome["outcome"], outcome["message"])
    return table


def forgotten_as_table(service: str, gone: Mapping[str, int]) -> Table:
    """What went with a provider, and how many of its shows stay."""
    table = Table("of " + service, "gone")
    for name, what in FORGOTTEN.items():
        table.add_row(what, str(gone.get(name, 0)))
    table.add_section()
    table.add_row("shows that stay, without a link", str(gone.get("kept", 0)))
    return table


def artist_as_table(artist: SyncedArtist) -> Table:
    """What a run made of one artist."""
    table = Table(f"run {artist.job_id}", artist.name, show_lines=False)
    table.add_row("became", artist.outcome)
    table.add_row("slug", artist.slug)
    table.add_row("because", artist.evidence)
    for identity in artist.identities:
        table.add_row("known as", identity)
    return table
