"""Doubtful identities: an administrator sees our entry and the one of the service side by side, and decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery
from server.protocol.instants import iso
from server.store.database import Database
from server.sync.queries import identities
from server.sync.queries import routes as queries

if TYPE_CHECKING:
    from server.store.database import Connection

Kind = Literal["artist", "venue"]
Verdict = Literal["same", "different"]


class IdentityQuery(PageQuery, frozen=True, kw_only=True):
    """The kind of entries; without it all."""

    kind: Kind | None = None


class VerdictBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the two are the same, and the reason for the audit log. `same` stores the id, also when another entry had it."""

    verdict: Verdict
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class OurEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Our side. `known` are its ids at services; `songs` the titles that an artist plays most often; a venue has a place."""

    id: int
    slug: str
    name: str
    country: str
    genre: str | None
    city: str | None
    latitude: float | None
    longitude: float | None
    show_count: int
    known: dict[str, list[str]]
    songs: list[str]


class TheirEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The service's side. `held_by`: the id of our entry that has this id now, if any."""

    service: str
    external_id: str
    name: str
    url: str
    held_by: int | None


class IdentityReview(msgspec.Struct, frozen=True, kw_only=True):
    """A possible match, with the confidence (0 to 1) and the evidence for it."""

    id: int
    kind: Kind
    confidence: float
    evidence: str
    created_at: str
    ours: OurEntry
    theirs: TheirEntry


class IdentityReviewPage(msgspec.Struct, frozen=True):
    """A page of possible matches, the oldest first."""

    items: list[IdentityReview]
    next: str | None


class DecidedIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The decision. `loses`: the entry of ours that loses this id of the provider; null: none does."""

    id: int
    verdict: Verdict
    loses: int | None
    is_preview: bool


class IdentityReviewRoutes:
    """HTTP for administrators who decide. Takes: owner, a database with its owner's rights."""

    def __init__(self, owner: Database) -> None:
        self._owner = owner

    def endpoints(self) -> list[Endpoint]:
        """The endpoints that a node serves."""
        path = "/api/admin/identities"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_reviews, access="admin", query=IdentityQuery,
                answer=IdentityReviewPage, summary="List the doubtful identities, both sides with the evidence.",
            ),
            Endpoint(
                method="POST", path=path + "/{identity}", handler=self.post_verdict, access="admin", query=PreviewQuery, body=VerdictBody,
                answer=DecidedIdentity, codes=(Code.NOT_FOUND,), summary="Decide whether two entries are the same.",
            ),
        ]  # fmt: skip

    async def get_reviews(self, call: Call) -> Answer:
        """`GET /api/admin/identities`."""
        query: IdentityQuery = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._owner.connection() as connection:
            listed = identities.list_reviews_with_evidence(
                connection, kind=query.kind, after_id=after.id if after else 0, count=query.limit + 1
            )
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=IdentityReviewPage([_review(row) for row in page], following))

    async def post_verdict(self, call: Call) -> Answer:
        """`POST /api/admin/identities/{identity}`."""
        review, body, is_preview = call.id("identity"), call.body, call.query.preview
        async with self._owner.rehearsal() if is_preview else self._owner.transaction() as connection:
            loses = await identities.holder_of_review(connection, id=review) if body.verdict == "same" else None
            decided = await decide_identity(connection, review, body.verdict, call.user.user_id)
            detail = {
                "service": decided["service"],
                "external_id": decided["external_id"],
                "verdict": ["open", body.verdict],
            }
            if body.reason:
                detail["reason"] = body.reason
            kind = "artist" if decided["artist_id"] is not None else "venue"
            subject = f"{kind}:{decided['artist_id'] or decided['venue_id']}"
            await write_audit_log(connection, call.user, f"identity.{body.verdict}", subject, detail)
        return Answer(document=DecidedIdentity(id=review, verdict=body.verdict, loses=loses, is_preview=is_preview))


async def decide_identity(connection: Connection, review: int, verdict: str, admin_id: int) -> Any:
    """Decides an open match, and stores the id when the two are the same.

    Gives:  the match
    Raises: Refused: not_found, no such match waits; StoreUnavailable
    """
    row = await identities.decide_review(connection, id=review, verdict=verdict, decided_by=admin_id)
    if row is None:
        raise Refused(Code.NOT_FOUND, f"No match {review} waits for a decision. Reload the list of matches.")
    if verdict == "same":
        put = queries.put_decided_artist if row["artist_id"] is not None else queries.put_decided_venue
        await put(
            connection, service=row["service"], external_id=row["external_id"], url=row["url"],
            our_id=row["artist_id"] or row["venue_id"],
        )  # fmt: skip
    return row


def _review(row: Any) -> IdentityReview:
    ours = OurEntry(
        id=row["our_id"], slug=row["our_slug"], name=row["our_name"], country=row["country"], genre=row["genre"],
        city=row["city"], latitude=row["latitude"], longitude=row["longitude"], show_count=row["show_count"],
        known=msgspec.json.decode(row["known"]), songs=row["songs"],
    )  # fmt: skip
    theirs = TheirEntry(
        service=row["service"], external_id=row["external_id"], name=row["name"], url=row["url"], held_by=row["held_by"]
    )
    return IdentityReview(
        id=row["id"], kind=row["kind"], confidence=row["confidence"], evidence=row["evidence"],
        created_at=iso(row["created_at"]), ours=ours, theirs=theirs,
    )  # fmt: skip
