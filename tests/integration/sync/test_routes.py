"""`/api/external-apis/diagnostics` and `/api/admin/sync-manager`, on a node with a stand-in of the providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from server.node.node import Node
from server.sync import scheduler as scheduling
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.api_client import ApiClient
from tests.support.providers import setlistfm, spotify, ticketmaster
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node_of_test, one_node.emptied_database

MANAGER = "/api/admin/sync-manager"
DIAGNOSTICS = "/api/external-apis/diagnostics"


@pytest_asyncio.fixture(loop_scope="module")
async def node_with_keys(
    factory: RowFactory,
    provider_services: stand_in.Providers,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Node]:
    """A node with all keys, which polls for jobs often. Takes: factory, which has emptied the database."""
    monkeypatch.setattr(scheduling, "POLL_EVERY_S", 0.05)
    async with running_node(
        database_url,
        redis_url,
        musicbrainz_api_url=provider_services.url,
        setlistfm_api_url=provider_services.url,
        ticketmaster_api_url=provider_services.url,
        spotify_api_url=provider_services.url,
        spotify_accounts_url=provider_services.url,
        setlistfm_api_key=setlistfm.KEY,
        ticketmaster_api_key=ticketmaster.KEY,
        spotify_client_id=spotify.CLIENT[0],
        spotify_client_secret=spotify.CLIENT[1],
    ) as running:
        yield running


@asynccontextmanager
async def admin_client(node: Node, factory: RowFactory) -> AsyncIterator[ApiClient]:
    user_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with ApiClient.open(node.url, user_id=user_id) as api:
        yield api


async def insert_artist(factory: RowFactory, provider_services: stand_in.Providers, number: int) -> int:
    """An artist with ids at Ticketmaster and MusicBrainz."""
    artist = provider_services.world.artists[number]
    artist_id: int = await factory.sql.fetchval(
        "insert into artists (slug, name) values ($1, $2) returning id", f"artist-{number}", artist.name
    )
    await factory.sql.execute(
        "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
        " values ('musicbrainz', $1, $3, 1, 'told'), ('ticketmaster', $2, $3, 1, 'told')",
        artist.mbid, artist.attraction_id, artist_id,
    )  # fmt: skip
    return artist_id


async def test_a_job_is_queued_run_and_listed(
    node_with_keys: Node, provider_services: stand_in.Providers, factory: RowFactory
) -> None:
    """An administrator queues it, the node runs it, the list has its stages and refusals, and the audit log has the action."""
    artist_id = await insert_artist(factory, provider_services, 0)
    async with admin_client(node_with_keys, factory) as api:
        status, done = await api.post(MANAGER, {"action": "run", "kind": "shows", "subject": str(artist_id)})
        assert (status, done["action"]) == (200, "run")

        async def run() -> Any:
            _, state = await api.get(MANAGER)
            (found,) = [one for one in state["items"] if one["id"] == done["run"]]
            return found if found["status"] == "succeeded" else None

        found = await until(run)
        assert (found["service"], found["kind"], found["priority"], found["attempts"]) == (
            "ticketmaster",
            "shows",
            "urgent",
            1,
        )
        assert [stage["stage"] for stage in found["stages"]] == ["shows"]
        assert await factory.sql.fetchval("select count(*) from shows") == 3
        assert (
            await factory.sql.fetchval("select action || ' ' || subject from audit_log")
            == f"sync.run job:shows {artist_id}"
        )
        _, state = await api.get(MANAGER)
        assert {one["name"] for one in state["schedules"]} == {
            "artists",
            "shows",
            "setlists",
            "played",
            "songs",
            "venues",
        }
        status, first = await api.get(f"{MANAGER}?limit=1")
        assert len(first["items"]) == 1
        show = await factory.sql.fetchval("select min(id) from shows")
        status, told = await api.get(f"/api/shows/{show}")
        # The jobs that follow may have found more of them in the meantime.
        (listed,) = [one for one in told["sources"] if one["service"] == "ticketmaster"]
        assert listed["about"] == "show"
        assert listed["url"].startswith("https://www.ticketmaster.com/event/")


async def test_impossible_actions_are_refused(node_with_keys: Node, factory: RowFactory) -> None:
    """Unknown runs, schedules and reviews; a job of another service; missing fields."""
    async with admin_client(node_with_keys, factory) as api:
        for body, status, code in [
            ({"action": "run"}, 400, "bad_request"),
            ({"action": "run", "kind": "shows", "subject": "the beatles"}, 400, "bad_request"),
            ({"action": "run", "kind": "shows", "subject": "1", "service": "spotify"}, 400, "bad_request"),
            ({"action": "run", "schedule": "nothing"}, 404, "not_found"),
            ({"action": "cancel", "run": 999}, 404, "not_found"),
            ({"action": "retry", "run": 999}, 404, "not_found"),
            ({"action": "pause"}, 400, "bad_request"),
            ({"action": "pause", "schedule": "nothing"}, 404, "not_found"),
            ({"action": "decide", "review": 999, "verdict": "same"}, 404, "not_found"),
            ({"action": "decide", "review": 999}, 400, "bad_request"),
            ({"action": "dance"}, 400, "bad_request"),
        ]:
            got, answer = await api.post(MANAGER, body)
            assert (got, answer["code"]) == (status, code), body
        assert await factory.sql.fetchval("select count(*) from audit_log") == 0


async def test_a_job_is_paused_cancelled_and_retried(
    node_with_keys: Node, provider_services: stand_in.Providers, factory: RowFactory
) -> None:
    """A job of a paused service waits; it is cancelled, retried, and runs once the service is resumed."""
    artist_id = await insert_artist(factory, provider_services, 0)
    async with admin_client(node_with_keys, factory) as api:
        assert (await api.post(MANAGER, {"action": "pause", "service": "ticketmaster"}))[0] == 200
        assert (await api.post(MANAGER, {"action": "pause", "schedule": "shows"}))[0] == 200
        _, state = await api.get(MANAGER)
        assert state["paused_services"] == ["ticketmaster"]
        assert [one["name"] for one in state["schedules"] if one["is_paused"]] == ["shows"]
        _, done = await api.post(MANAGER, {"action": "run", "kind": "shows", "subject": str(artist_id)})
        assert (await api.post(MANAGER, {"action": "cancel", "run": done["run"]}))[0] == 200
        status, again = await api.post(MANAGER, {"action": "retry", "run": done["run"]})
        assert status == 200
        assert again["run"] != done["run"]
        assert await factory.sql.fetchval("select count(*) from shows") == 0
        assert (await api.post(MANAGER, {"action": "resume", "service": "ticketmaster"}))[0] == 200
        await until(lambda: factory.sql.fetchval("select count(*) = 3 from shows"))


async def test_a_failed_search_is_retried_by_its_name(
    node_with_keys: Node, provider_services: stand_in.Providers, factory: RowFactory
) -> None:
    """The subject is a name, also when it looks like a number; what is found is synced like any other artist."""
    name = provider_services.world.artists[0].name
    insert = (
        "insert into sync_jobs (service, kind, subject, status, started_at)"
        " values ('musicbrainz', 'search', $1, 'failed', now()) returning id"
    )
    async with admin_client(node_with_keys, factory) as api:
        status, again = await api.post(MANAGER, {"action": "retry", "run": await factory.sql.fetchval(insert, name)})
        assert status == 200, again
        await until(lambda: factory.sql.fetchval("select count(*) = 3 from shows"))
        assert await factory.sql.fetchval("select count(*) from artists where name = $1", name) == 1
        _, again = await api.post(MANAGER, {"action": "retry", "run": await factory.sql.fetchval(insert, "1")})
        ended = "select error from sync_jobs where id = $1 and status = 'failed'"
        await until(lambda: factory.sql.fetchval(ended, again["run"]))
        assert "no artist called '1'" in await factory.sql.fetchval(ended, again["run"])


async def test_a_doubtful_match_waits_for_a_person(
    node_with_keys: Node, provider_services: stand_in.Providers, factory: RowFactory
) -> None:
    """A name alone makes a question; every decision is stored, and the question is asked once."""
    provider_services.world.artists[3].is_linked_at_ticketmaster = False
    name = provider_services.world.artists[3].name
    artist_id = await factory.sql.fetchval("insert into artists (slug, name) values ('doubt', $1) returning id", name)
    async with admin_client(node_with_keys, factory) as api:

        async def look_again() -> None:
            await factory.sql.execute("delete from external_cache")
            _, done = await api.post(MANAGER, {"action": "run", "kind": "artist", "subject": str(artist_id)})
            is_done = "select status = 'succeeded' from sync_jobs where id = $1"
            await until(lambda: factory.sql.fetchval(is_done, done["run"]))

        await look_again()
        await look_again()
        _, state = await api.get(MANAGER)
        (review,) = state["reviews"]
        assert (review["service"], review["kind"], review["our_id"], review["name"]) == (
            "ticketmaster",
            "artist",
            artist_id,
            name,
        )
        assert await factory.sql.fetchval("select count(*) from artist_identities where service = 'ticketmaster'") == 0
        decide = {"action": "decide", "review": review["id"], "verdict": "same"}
        assert (await api.post(MANAGER, decide))[0] == 200
        assert (await api.post(MANAGER, decide))[0] == 404
        row = await factory.sql.fetchrow(
            "select external_id, confidence, evidence from artist_identities where service = 'ticketmaster'"
        )
        assert tuple(row) == (provider_services.world.artists[3].attraction_id, 1.0, "decided by a person")
        assert (await api.get(MANAGER))[1]["reviews"] == []
        # A decision counts like any other link: the next sync of the artist confirms it.
        await factory.sql.execute("update artist_identities set checked_at = now() - interval '40 days'")
        await look_again()
        assert await factory.sql.fetchval(
            "select checked_at > now() - interval '1 hour' from artist_identities where service = 'ticketmaster'"
        )


async def test_diagnostics_show_the_state_of_providers(
    node_with_keys: Node, provider_services: stand_in.Providers, factory: RowFactory
) -> None:
    """A probe sends one request each; failures show as an open circuit with its reason, lower availability and a used quota."""
    async with admin_client(node_with_keys, factory) as api:
        status, told = await api.get(f"{DIAGNOSTICS}?probe=1")
        assert status == 200
        services = {one["service"]: one for one in told["services"]}
        assert list(services) == ["musicbrainz", "setlistfm", "ticketmaster", "spotify"]
        for one in services.values():
            assert one["has_key"]
            assert one["probe"]["is_ok"], one
            assert one["gate"]["circuit"] == "closed"
            assert (one["availability_24h"], one["is_on_target"], one["last_status"]) == (1.0, True, "ok")
            assert len(one["hours"]) == 1
        assert (
            services["setlistfm"]["gate"] | {"day_count": 1, "day_max": 1400, "day_left": 1399}
            == services["setlistfm"]["gate"]
        )
        assert services["musicbrainz"]["gate"]["day_left"] is None

        provider_services.setlistfm.fail(4, status=500)
        for _ in range(2):
            _, told = await api.get(f"{DIAGNOSTICS}?service=setlistfm&probe=1")
        provider_services.setlistfm.fail(1, status=500)
        _, told = await api.get(f"{DIAGNOSTICS}?service=setlistfm")
        (one,) = told["services"]
        assert one["probe"] is None
        assert 0 < one["availability_24h"] < 0.99
        assert not one["is_on_target"]
        assert one["cache"]["answer_count"] == 1
        provider_services.setlistfm.is_revoked = True
        _, told = await api.get(f"{DIAGNOSTICS}?service=setlistfm&probe=1")
        (one,) = told["services"]
        assert (one["probe"]["is_ok"], one["gate"]["circuit"], one["last_status"]) == (False, "open", "down")
        assert one["gate"]["open_for_s"] > 0
        assert setlistfm.KEY not in str(told)


async def test_without_keys_nothing_is_requested(node: Node, factory: RowFactory) -> None:
    """A node without keys serves as usual: no loop, no request, and the diagnostics say so."""
    async with admin_client(node, factory) as api:
        _, told = await api.get(f"{DIAGNOSTICS}?service=setlistfm&probe=1")
        (one,) = told["services"]
        assert (one["has_key"], one["gate"], one["probe"], one["availability_24h"]) == (False, None, None, None)
        status, answer = await api.post(MANAGER, {"action": "run", "kind": "setlists", "subject": "1"})
        assert (status, answer["code"]) == (409, "conflict")
        # All pages and actions are there; data from earlier are still served.
        show = await factory.show(7)
        await factory.sql.execute(
            "insert into show_identities (service, external_id, show_id, url, confidence, evidence)"
            " values ('ticketmaster', 'x', 7, 'https://www.ticketmaster.com/event/x', 1, 'listed there')"
        )
        for path in ("/readyz", "/api/shows", "/api/artists", "/api/venues", "/api/artists/1", "/api/venues/1",
                     "/api/search?q=show", "/api/trending?kind=shows", f"{DIAGNOSTICS}", MANAGER):  # fmt: skip
            status, _ = await api.get(path)
            assert status == 200, path
        _, told = await api.get("/api/shows/7")
        assert [one["about"] for one in told["sources"]] == ["show"]
        assert [song["id"] for one in told["setlists"] for song in one["songs"]] == show.songs
        status, cast = await api.post("/api/shows/7/votes", {"votes": [[show.first, "up"]]})
        assert status == 200, cast
    assert "sync" not in node._loops


async def test_only_administrators_have_access(node: Node, factory: RowFactory) -> None:
    """Everybody else is refused."""
    user_id = await factory.sql.fetchval("insert into users (role) values ('moderator') returning id")
    async with ApiClient.open(node.url, user_id=user_id, role="moderator") as api:
        for path in (MANAGER, DIAGNOSTICS):
            assert (await api.get(path))[0] == 403
