"""Measures a full sync of many artists at the rate the providers allow, and a second sync that finds nothing new.

    .venv/bin/python bench/sync.py [--artists 50] [--seed 1]

It starts engines of its own and a stand-in of all four providers with their real limits, and adds the artists by name. One
scheduler then fetches their ids, shows, setlists and songs. The second sync does the same when every cached answer has
expired. It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from measure import data_folder, log_step, print_result, run_facts

from server.cache.cluster import connection_to
from server.clock import SystemClock
from server.embedded import EmbeddedEngines
from server.settings import data_folder as server_folder
from server.store.database import Database
from server.store.migrations import migrate_up
from server.sync.jobs import queue_job
from server.sync.providers import ProviderSettings, open_providers
from server.sync.schedules import build_scheduler
from server.telemetry import configure_logging
from server.voting.reconcile import reopen_shards
from server.voting.rule_changes import RuleChanges
from tests.support.providers import Providers, running_providers, setlistfm, spotify, ticketmaster
from tests.support.providers.world import World

COUNTED = ("artists", "venues", "shows", "songs", "setlists", "setlist_songs", "show_identities", "identity_reviews")


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artists", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    configure_logging("json")
    with data_folder() as folder:
        print_result({"benchmark": "sync", **run_facts(), **uvloop.run(run(folder, given.artists, given.seed))})


async def run(folder: Path, artists: int, seed: int) -> dict[str, Any]:
    """Runs the measurement on engines of its own."""
    engines = await EmbeddedEngines.start(folder)
    try:
        return await measure(engines, artists, seed)
    finally:
        await engines.stop()


async def measure(engines: EmbeddedEngines, artists: int, seed: int) -> dict[str, Any]:
    """Measures both syncs."""
    await migrate_up(engines.database_url, server_folder("migrations"))
    database = await Database.open(engines.database_url, pool_size=8)
    valkey = connection_to(engines.redis_url)
    sql = await asyncpg.connect(engines.database_url)
    try:
        async with running_providers(World.make(artists=artists, seed=seed)) as provider_services:
            url = provider_services.url
            access = ProviderSettings(
                musicbrainz_url=url,
                setlistfm_url=url,
                ticketmaster_url=url,
                spotify_url=url,
                spotify_accounts_url=url,
                setlistfm_key=setlistfm.KEY,
                ticketmaster_key=ticketmaster.KEY,
                spotify_client=spotify.CLIENT,
                contact="bench",
            )
            change_rules = RuleChanges(valkey.ask, partial(reopen_shards, database, engines.redis_url), shard_count=16)
            async with open_providers(
                access, database, valkey.ask, SystemClock(), change_rules, is_urgent=True
            ) as providers:
                for number, artist in enumerate(provider_services.world.artists):
                    name = artist.name
                    await sql.execute("insert into artists (slug, name) values ($1, $2)", f"artist-{number}", name)
                result: dict[str, Any] = {"settings": {"artists": artists, "seed": seed}}
                for name in ("first", "second"):
                    log_step(f"{name} sync")
                    await sql.execute("update external_cache set fresh_until = now() - interval '1 second'")
                    began_s, asked = time.monotonic(), counts(provider_services)
                    for row in await sql.fetch("select id from artists where slug like 'artist-%' order by id"):
                        await queue_job(database, "musicbrainz", "artist", str(row["id"]))
                    await build_scheduler(database, providers).run_until_idle()
                    result[name] = {
                        "seconds": round(time.monotonic() - began_s, 1),
                        "asked": {
                            service: count - asked[service] for service, count in counts(provider_services).items()
                        },
                        "rows": {table: await sql.fetchval(f"select count(*) from {table}") for table in COUNTED},
                        "logged": await sql.fetchval("select count(*) from import_log where outcome <> 'refused'"),
                        "refused": await sql.fetchval("select count(*) from import_log where outcome = 'refused'"),
                        "jobs": {
                            row["status"]: row["count"]
                            for row in await sql.fetch("select status::text, count(*) from sync_jobs group by 1")
                        },
                        "revalidated": provider_services.musicbrainz.revalidated_count,
                        "violations": provider_services.violations,
                    }
                errors = await sql.fetch("select distinct error from sync_jobs where status = 'failed' limit 5")
                return result | {"errors": [row["error"] for row in errors]}
    finally:
        await sql.close()
        await valkey.close()
        await database.close()


def counts(provider_services: Providers) -> dict[str, int]:
    """The number of requests to each provider so far."""
    return {service.name: len(service.asked) for service in provider_services.services()}


if __name__ == "__main__":
    main()
