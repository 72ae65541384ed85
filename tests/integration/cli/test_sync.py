"""`mysetlist sync …` as processes, against a stand-in of the providers."""

from __future__ import annotations

from typing import Any

from tests.support import providers as stand_in
from tests.support.commands import plain_environ, run_command


async def test_the_sync_commands_import_and_report(
    provider_services: stand_in.Providers, database_url: str, redis_url: str, sql: Any
) -> None:
    """`artist` imports shows and setlists, `show` updates one show, `forget` removes; an unknown show is one line and exit 1."""
    environ = plain_environ() | provider_services.environ() | {"DATABASE_URL": database_url, "REDIS_URL": redis_url}

    async def run(*words: str, **changed: str) -> tuple[int, str, str]:
        return await run_command("sync", *words, environ=environ | changed)

    artist = provider_services.world.artists[0]
    code, out, _ = await run("artist", artist.name)
    assert code == 0, out
    for words in (
        "linked at Ticketmaster",
        f"ticketmaster {artist.attraction_id}",
        "shows at ticketmaster",
        "setlists at setlistfm",
    ):
        assert words in out
    assert await sql.fetchval("select count(*) from shows") == 3
    assert await sql.fetchval("select count(distinct show_id) from setlists") == 3

    show_id = await sql.fetchval("select min(id) from shows")
    provider_services.world.events[0].status = "cancelled"
    await sql.execute("delete from external_cache")
    code, out, _ = await run("show", str(show_id))
    assert code == 0, out
    assert await sql.fetchval("select status::text from shows where id = $1", show_id) == "cancelled"

    code, out, err = await run("show", "999999")
    assert (code, out, err.splitlines()[-1]) == (1, "", "mysetlist: the catalogue has no show 999999: check the id")
    code, out, err = await run("show", str(show_id), TICKETMASTER_API_KEY="", SETLISTFM_API_KEY="")
    assert (code, out) == (1, "")
    assert "set TICKETMASTER_API_KEY or SETLISTFM_API_KEY" in err
    assert "Traceback" not in err
    code, out, err = await run("forget", "ticketmaster")
    assert (code, out) == (1, "")
    assert err.endswith("add --yes\n")
    code, out, err = await run("forget", "spotify", "--yes")
    assert code == 0, err
    assert "ids and links" in out
    assert "Jobs of spotify are paused" in out
    assert await sql.fetchval("select count(*) from song_identities") == 0
    code, out, _ = await run("status")
    assert "forget spotify" in out
    provider_services.ticketmaster.is_revoked = True
    await sql.execute("delete from external_cache")
    code, out, err = await run("show", str(show_id))
    assert code == 1
    assert "does not accept our key" in out
    assert "Traceback" not in err + out
    assert provider_services.violations == []
