"""Administrators make a show by hand: it has its bill and an empty predicted set from the start."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from server.catalog.queries import show_making as queries
from server.catalog.show_changes import Id, ShowSettings, When, effect_of, fetch_settings, settings_of
from server.catalog.show_control import Bill, Budget, ShowName, put_bill
from server.catalog.show_times import check_start, check_times, instants_of
from server.clock import Clock, utc_now
from server.errors import Refused
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.embargo import Results
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PreviewQuery, Reference
from server.protocol.show_names import default_name
from server.protocol.slugs import Slug, made_slug, slugs_of
from server.store.database import Database

# Voting opens so long before the start, unless another opening is given.
VOTING = dt.timedelta(days=30)
_NAMES_CHARS_MAX = 260


class NewShow(msgspec.Struct, frozen=True, kw_only=True):
    """A new show. Without `name` it is "artist at venue"; voting opens 30 days before the start and closes at the start,
    unless `opens_at` or `closes_at` say otherwise. `bill` are the support acts. Its first set is empty.
    """

    artist: Id
    venue: Id
    starts_at: When
    name: ShowName | None = None
    opens_at: When | None = None
    closes_at: When | None = None
    votes_per_user_max: Budget | None = None
    results: Results = "live"
    requires_ticket: bool = False
    bill: Bill = []
    slug: Slug | None = None


class ShowMakingRoutes:
    """HTTP for administrators who make shows. Takes: db, with its owner's rights."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        return [
            Endpoint(
                method="POST", path="/api/admin/shows", handler=self.post_show, access="admin", query=PreviewQuery,
                body=NewShow, answer=ShowSettings, status=201, codes=(Code.NOT_FOUND, Code.CONFLICT),
                summary="Make a show, with its bill and an empty predicted set.",
            ),
        ]  # fmt: skip

    async def post_show(self, call: Call) -> Answer:
        """`POST /api/admin/shows`."""
        body, is_preview, now = call.body, call.query.preview, utc_now(self._clock)
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            names = await queries.fetch_names(connection, artist=body.artist, venue=body.venue)
            if names is None:
                raise Refused(Code.NOT_FOUND, "No such artist or venue. Search for them, or make them first.")
            row = _row(body, names, now)
            await queries.lock_first_shard(connection)
            show_id = None
            for slug in [body.slug] if body.slug else slugs_of(row["slug"]):
                show_id = await queries.insert_show(connection, **row | {"slug": slug})
                if show_id is not None:
                    break
            if show_id is None:
                raise Refused(Code.CONFLICT, "Another show has this slug. Give another `slug`.")
            if body.bill:
                await put_bill(connection, show_id, body.artist, body.bill)
            await queries.insert_first_set(connection, show_id=show_id)
            mailed = await queries.count_fans_to_mail(connection, artist_ids=[body.artist, *body.bill])
            after = await fetch_settings(connection, Reference(show_id, None))
            given = {name: value for name, value in msgspec.to_builtins(body).items() if value is not None}
            detail = {name: [None, value] for name, value in given.items()}
            await write_audit_log(connection, call.user, "show.make", f"show:{show_id}", detail)
            effect = effect_of(
                after, after, is_preview=is_preview, fans_mailed=mailed if after["starts_at"] > now else 0
            )
        return Answer(document=settings_of(after, now, effect))


def _row(body: NewShow, names: Any, now: dt.datetime) -> dict[str, Any]:
    """The columns of the new show.

    Raises: Refused: bad_request
    """
    zone = names["time_zone"]
    times = instants_of({"starts_at": body.starts_at, "opens_at": body.opens_at, "closes_at": body.closes_at}, zone)
    starts_at = times["starts_at"]
    check_start(starts_at, now)
    window = {"closes_at": times.get("closes_at", starts_at)}
    window["opens_at"] = times.get("opens_at", min(starts_at, window["closes_at"]) - VOTING)
    check_times(window, now)
    local_date = starts_at.astimezone(ZoneInfo(zone)).date()
    slug = f"{names['artist_slug']}-{names['venue_slug']}"[:_NAMES_CHARS_MAX].strip("-")
    return {
        "slug": made_slug("show", f"{slug}-{local_date}"),
        "artist": body.artist,
        "venue": body.venue,
        "name": body.name or default_name(names["artist"], names["venue"]),
        "local_date": local_date,
        "time_zone": zone,
        "starts_at": starts_at,
        **window,
        "votes_per_user_max": body.votes_per_user_max,
        "results": body.results,
        "requires_ticket": body.requires_ticket,
    }
