"""The audit log: every act of staff leaves one entry, and administrators filter, page and export the entries."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import aiohttp

from server.moderation.logs import write_command_log
from server.store.database import Database
from tests.support.contract import ENDPOINTS, title
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.socket_client import SocketClient

AUDIT = "/api/admin/audit"
SPAM = "cheap tickets at www.example.org"
LATER = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)).isoformat()


class Night:
    """A show, its staff and fans, and what they wait for."""

    def __init__(self, people: People, factory: RowFactory) -> None:
        self._people = people
        self._factory = factory

    async def prepare(self) -> None:
        """Inserts a show with a vote, texts that wait, accounts, and a doubtful identity."""
        self.admin = await self._people.person("admin")
        self.fan, self.other = await self._people.persons(2)
        self.show = await self._factory.show(7)
        sql = self._factory.sql
        await sql.execute("insert into votes values ($1, $2, 7, 'up', now())", self.show.songs[2], self.fan.id)
        for author, text in ((self.fan, SPAM), (self.other, "A fine hall.")):
            await author.ask("POST", "/api/venues/hall/reviews", {"rating": 4, "body": text})
        self.held = await sql.fetchval("select min(id) from content_moderation")
        await sql.execute(
            "insert into artists (slug, name) values ('band-2', 'Band 2');"
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('hall-2', 'Hall 2', 'Boston', 'US', 42.3, -71.0, 'America/New_York');"
            "insert into songs (artist_id, title) values (1, 'Twice');"
            "insert into identity_reviews (service, external_id, name, artist_id, confidence, evidence)"
            " values ('spotify', 'x', 'Band', 1, 0.5, 'its name alone')"
        )
        self.group = await sql.fetchval(
            "insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
            " values (7, 3, '[]', 1, now(), now()) returning id"
        )
        await sql.execute(
            "insert into webhooks (url, events, secret) values ('https://127.0.0.1/', '{show.final}', sha256('x'));"
            "insert into webhook_events (type, show_id, data, is_queued) values ('show.final', 7, '{}', true);"
            "insert into webhook_deliveries (webhook_id, event_id, state, queued_at, not_before)"
            " values (1, 1, 'dead', now(), now())"
        )
        second = await sql.fetchval("select max(id) from venue_reviews")
        report = await self.fan.ok("POST", "/api/reports", {"reason": "rude", "review": second}, status=201)
        self.report = report["id"]
        self.suggestion = (await self.fan.ok("POST", "/api/shows/7/suggestions", {"title": "New"}, status=201))["id"]

    def acts(self) -> dict[str, tuple[str, Any, str, str]]:
        """For each route of staff that changes something: a path, a body, the act and its object in the log. The preview of a ban
        takes the first id.
        """
        show, first, third = "/api/admin/shows/7", self.show.first, self.show.songs[2]
        user = f"/api/admin/users/{self.other.id}"
        return {
            "POST /api/admin/artists": ("/api/admin/artists", {"name": "A"}, "artist.make", "artist:"),
            "PATCH /api/admin/artists/{artist}": (
                "/api/admin/artists/1", {"genre": "Rock"}, "artist.change", "artist:1",
            ),
            "POST /api/admin/venues": (
                "/api/admin/venues",
                {
                    "name": "V", "city": "C", "country": "US", "latitude": 0, "longitude": 0,
                    "time_zone": "Europe/Paris",
                },
                "venue.make", "venue:",
            ),
            "PATCH /api/admin/venues/{venue}": ("/api/admin/venues/1", {"capacity": 9}, "venue.change", "venue:1"),
            "POST /api/admin/songs": ("/api/admin/songs", {"artist": 1, "title": "S"}, "song.make", "song:"),
            "PATCH /api/admin/songs/{song}": ("/api/admin/songs/1", {"title": "T"}, "song.change", "song:1"),
            "POST /api/admin/artists/{artist}/merge": (
                "/api/admin/artists/1/merge", {"duplicate": 2}, "artist.merge", "artist:1",
            ),
            "POST /api/admin/merges/{merge}/undo": ("/api/admin/merges/1/undo", None, "artist.unmerge", "artist:1"),
            "POST /api/admin/venues/{venue}/merge": (
                "/api/admin/venues/1/merge", {"duplicate": 2}, "venue.merge", "venue:1",
            ),
            "POST /api/admin/songs/{song}/merge": (
                "/api/admin/songs/2/merge", {"duplicate": 4}, "song.merge", "song:2",
            ),
            "POST /api/admin/shows": (
                "/api/admin/shows", {"artist": 1, "venue": 1, "starts_at": LATER}, "show.make", "show:",
            ),
            "PUT /api/admin/shows/{show}/sets": (
                f"{show}/sets", {"sets": [{"id": 1, "name": "Set", "songs": [{"id": one} for one in self.show.songs]}]},
                "show.sets", "show:7",
            ),
            "PATCH /api/admin/shows/{show}": (show, {"votes_per_user_max": 9}, "show.change", "show:7"),
            "POST /api/admin/shows/{show}/lock": (f"{show}/lock", {"is_locked": True}, "show.lock", "show:7"),
            "POST /api/admin/shows/{show}/played": (
                f"{show}/played", {"song": first, "played": True}, "show.played", "show:7",
            ),
            "POST /api/admin/shows/{show}/songs": (f"{show}/songs", {"title": "B"}, "show.song_added", "show:7"),
            "PATCH /api/admin/shows/{show}/songs/{song}": (
                f"{show}/songs/{first}", {"note": "n"}, "show.song_changed", "show:7",
            ),
            "DELETE /api/admin/shows/{show}/songs/{song}": (
                f"{show}/songs/{third}?confirm=true", None, "show.song_removed", "show:7",
            ),
            "POST /api/admin/shows/{show}/removed-songs/{song}": (
                f"{show}/removed-songs/{third}", None, "show.song_restored", "show:7",
            ),
            "POST /api/admin/suggestions/{suggestion}": (
                f"/api/admin/suggestions/{self.suggestion}", {"decision": "approve"}, "suggestion.approve", "show:7",
            ),
            "PUT /api/admin/shows/{show}/tickets": (
                f"{show}/tickets", {"requires_ticket": True}, "show.tickets", "show:7",
            ),
            "POST /api/admin/shows/{show}/tickets": (f"{show}/tickets", {"make": 2}, "show.codes", "show:7"),
            "POST /api/admin/shows/{show}/close": (f"{show}/close", None, "show.close", "show:7"),
            "POST /api/admin/shows/{show}/reopen": (
                f"{show}/reopen", {"closes_at": LATER, "reason": "rain"}, "show.reopen", "show:7",
            ),
            "POST /api/admin/moderation/{held}": (
                f"/api/admin/moderation/{self.held}", {"decision": "approve", "note": "true"}, "text.approve",
                f"user:{self.fan.id}",
            ),
            "POST /api/admin/reports/{report}": (
                f"/api/admin/reports/{self.report}", {"decision": "uphold"}, "report.uphold", f"user:{self.other.id}",
            ),
            "PATCH /api/admin/users/{user}": (user, {"role": "moderator"}, "user.role", f"user:{self.other.id}"),
            "POST /api/admin/users/{user}/bans": (
                f"{user}/bans", {"kind": "write", "reason": "spam"}, "user.ban", f"user:{self.other.id}",
            ),
            "DELETE /api/admin/users/{user}/bans/{ban}": (
                f"{user}/bans/2", None, "user.unban", f"user:{self.other.id}",
            ),
            "POST /api/admin/api-keys": (
                "/api/admin/api-keys", {"name": "k", "role": "user"}, "api_key.make", "api_key:1",
            ),
            "DELETE /api/admin/api-keys/{key}": ("/api/admin/api-keys/1", None, "api_key.revoke", "api_key:1"),
            "POST /api/admin/webhooks": (
                "/api/admin/webhooks", {"url": "https://8.8.8.8/", "events": ["show.final"], "is_enabled": False},
                "webhook.make", "webhook:",
            ),
            "POST /api/admin/webhooks/{webhook}/again": (
                "/api/admin/webhooks/1/again", None, "webhook.again", "webhook:1",
            ),
            "POST /api/admin/webhooks/{webhook}/test": (
                "/api/admin/webhooks/1/test", None, "webhook.test", "webhook:1",
            ),
            "POST /api/admin/webhooks/{webhook}/secret": (
                "/api/admin/webhooks/1/secret", None, "webhook.secret", "webhook:1",
            ),
            "PATCH /api/admin/webhooks/{webhook}": (
                "/api/admin/webhooks/1", {"description": "A screen"}, "webhook.change", "webhook:1",
            ),
            "DELETE /api/admin/webhooks/{webhook}": (
                "/api/admin/webhooks/1", None, "webhook.delete", "webhook:1",
            ),
            "POST /api/admin/sync-manager": (
                "/api/admin/sync-manager", {"action": "pause", "service": "spotify"}, "sync.pause", "spotify: ",
            ),
            "POST /api/admin/identities/{identity}": (
                "/api/admin/identities/1", {"verdict": "same"}, "identity.same", "artist:1",
            ),
            "PUT /api/admin/shows/{show}/group-rule": (
                f"{show}/group-rule", {"is_automatic": True}, "show.group-rule", "show:7",
            ),
            "POST /api/admin/groups/{group}": (
                f"/api/admin/groups/{self.group}", {"decision": "set_aside"}, "group.set-aside", f"group:{self.group}",
            ),
            "DELETE /api/realtime/subscriptions": (
                "/api/realtime/subscriptions?channel=votes:7", None, "channel.close", "channel:votes:7",
            ),
            "POST /api/database/operations": (
                "/api/database/operations", {"operation": "integrity-check"}, "database.integrity-check", "",
            ),
            "POST /api/admin/brands": (
                "/api/admin/brands", {"host": "vote.club.example", "name": "Club"}, "brand.make", "brand:2",
            ),
            # The preview takes the first id.
            "PATCH /api/admin/brands/{brand}": ("/api/admin/brands/2", {"name": "The Club"}, "brand.change", "brand:2"),
            "DELETE /api/admin/brands/{brand}": ("/api/admin/brands/2", None, "brand.delete", "brand:2"),
            "POST /api/admin/artists/{artist}/tours": (
                "/api/admin/artists/1/tours", {"name": "T", "first_date": "2026-01-01", "last_date": "2026-02-01"},
                "tour.make", "tour:2",
            ),
            "PATCH /api/admin/tours/{tour}": ("/api/admin/tours/2", {"name": "U"}, "tour.change", "tour:2"),
            "DELETE /api/admin/tours/{tour}": ("/api/admin/tours/2", None, "tour.delete", "tour:2"),
            "DELETE /api/admin/users/{user}": (user, None, "user.erase", "user:0"),
        }  # fmt: skip


# Acts without a preview. They have one effect, which their request names.
WITHOUT_PREVIEW = {
    "POST /api/admin/shows/{show}/songs", "PATCH /api/admin/shows/{show}/songs/{song}",
    "DELETE /api/admin/shows/{show}/songs/{song}",  # without `confirm`, it refuses to delete votes and counts them
    "POST /api/admin/api-keys", "DELETE /api/admin/api-keys/{key}", "POST /api/admin/sync-manager",
    "DELETE /api/realtime/subscriptions", "POST /api/database/operations", "DELETE /api/admin/users/{user}",
    "POST /api/admin/webhooks/{webhook}/test",
}  # fmt: skip


async def test_every_act_of_staff_leaves_one_entry(people: People, factory: RowFactory) -> None:
    """Each route of staff that changes something writes one entry with its administrator, and its preview writes none; a new route
    needs a line here.
    """
    night = Night(people, factory)
    await night.prepare()
    acts = night.acts()
    routes = {title(one) for one in ENDPOINTS if one.access in ("moderator", "admin") and one.method != "GET"}
    assert set(acts) == routes
    previewed = {title(one) for one in ENDPOINTS if "preview" in getattr(one.query, "__struct_fields__", ())}
    assert previewed == routes - WITHOUT_PREVIEW
    async with SocketClient.connect(night.admin.url) as watcher:
        await watcher.watch("votes:7")
        for route, (path, body, act, about) in acts.items():
            before = await factory.sql.fetchval("select max(id) from audit_log") or 0
            if route in previewed:
                preview = f"{path}{'&' if '?' in path else '?'}preview=true"
                status, answer = await night.admin.ask(route.split()[0], preview, body)
                assert status < 300, (route, answer)
                assert (await factory.sql.fetchval("select max(id) from audit_log") or 0) == before, route
            status, answer = await night.admin.ask(route.split()[0], path, body)
            assert status < 300, (route, answer)
            entries = (await night.admin.ok("GET", AUDIT))["items"]
            (new,) = [entry for entry in entries if entry["id"] > before]
            assert (new["actor"], new["act"]) == (night.admin.id, act), route
            assert new["object"].startswith(about), (route, new)


async def test_the_log_is_filtered_paged_and_exported(
    people: People, moderator: Person, factory: RowFactory, database: Database
) -> None:
    """By actor, act, object and day; every page in order; as CSV without formulas; only for administrators."""
    admin = await people.person("admin")
    await factory.show(7)
    await moderator.ok("POST", "/api/admin/shows/7/lock", {"is_locked": True})
    await moderator.ok("POST", "/api/admin/shows/7/lock", {"is_locked": False})
    await admin.ok("PATCH", "/api/admin/shows/7", {"votes_per_user_max": 3})
    async with database.transaction() as connection:
        await write_command_log(connection, "database.reconcile", "", {"shards": 1})
    await factory.sql.execute(
        "insert into audit_log (actor_id, action, subject, at) values ($1, 'show.lock', '=1+1', '2020-02-02')", admin.id
    )
    assert await moderator.refused("GET", AUDIT) == "forbidden"
    everything = (await admin.ok("GET", AUDIT))["items"]
    assert await admin.pages(AUDIT, 2) == everything
    assert [entry["act"] for entry in everything] == [
        "show.lock", "database.reconcile", "show.change", "show.unlock", "show.lock",
    ]  # fmt: skip
    command, change = everything[1:3]
    assert (command["actor"], set(command["detail"])) == (None, {"shards", "by"})
    assert (change["before"], change["after"]) == ({"votes_per_user_max": None}, {"votes_per_user_max": 3})
    today = dt.datetime.now(dt.UTC).date()
    for query, count in (
        (f"actor={moderator.id}", 2), ("act=show.lock", 2), ("act=show", 4), ("object=show:7", 3), ("object=show", 3),
        ("to=2020-02-02", 1), ("from=2020-02-03", 4), (f"from={today}&act=show.lock", 1), ("to=9999-12-31", 5),
        ("act=nothing", 0),
    ):  # fmt: skip
        assert len((await admin.ok("GET", f"{AUDIT}?{query}"))["items"]) == count, query
    headers = {"Authorization": f"Bearer {admin.token}"}
    async with aiohttp.ClientSession(admin.url, headers=headers) as http, http.get(f"{AUDIT}?format=csv") as response:
        assert response.content_type == "text/csv"
        lines = list(csv.DictReader(io.StringIO(await response.text())))
    assert [int(line["id"]) for line in lines] == [entry["id"] for entry in everything]
    assert (lines[0]["object"], lines[2]["after"]) == ("'=1+1", '{"votes_per_user_max":3}')
