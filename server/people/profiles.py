"""Profiles: the profile of the signed-in user, and the public profiles of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from server.errors import Refused
from server.moderation.bans import Ban, list_active_bans, refuse_banned
from server.moderation.text_review import Assessment, Status, assess, update_queue
from server.people.queries import profiles as queries
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.identity import Role
from server.protocol.instants import iso
from server.store.database import Database
from server.store.named_queries import columns

if TYPE_CHECKING:
    from server.store.database import Connection

NAME_CHARS_MAX = 80
BIO_CHARS_MAX = 500
CITY_CHARS_MAX = 120
LanguageTag = Annotated[
    str, msgspec.Meta(max_length=20, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$(?!\n)", examples=["es", "pt-BR"])
]


class ProfileBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change. A field that is left out stays, null clears it. `language`: its tag; emails come in this language
    when there are texts in it, else in English.
    """

    display_name: Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)] | UnsetType | None = UNSET
    bio: Annotated[str, msgspec.Meta(max_length=BIO_CHARS_MAX)] | UnsetType | None = UNSET
    city: Annotated[str, msgspec.Meta(max_length=CITY_CHARS_MAX)] | UnsetType | None = UNSET
    country: (
        Annotated[str, msgspec.Meta(min_length=2, max_length=2, pattern="^[A-Z]{2}$", examples=["DE"])]
        | UnsetType
        | None
    ) = UNSET
    is_public: bool | UnsetType | None = UNSET
    language: LanguageTag | UnsetType | None = UNSET


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The activity counts of a user."""

    follows: int
    attendance: int
    votes: int
    reviews: int


class Foresight(msgspec.Struct, frozen=True, kw_only=True):
    """The accuracy of the votes of a user: means over the scored shows (docs/accuracy.md)."""

    shows: int
    precision: float | None
    recall: float | None
    rank_correlation: float | None


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """The address and preferences for emails. Nothing is sent until the address is confirmed."""

    address: str
    confirmed: bool
    frequency: Literal["never", "immediately", "daily", "weekly"]
    kinds: list[Literal["confirm_address", "show_announced", "show_reminder", "show_result"]]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile. Others see it only when it is public and approved."""

    id: int
    created_at: str
    display_name: str | None
    bio: str | None
    city: str | None
    country: str | None
    is_public: bool
    status: Status


class Me(Profile, frozen=True, kw_only=True):
    """The signed-in user: account and profile. `status` is the status of the profile."""

    role: Role
    language: str | None
    counts: Counts
    accuracy: Foresight
    bans: list[Ban]
    email: Email | None


class ProfileRoutes:
    """The endpoints of profiles."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/me", handler=self.get_me, access="user", answer=Me,
                summary="Show the signed-in user.",
            ),
            Endpoint(
                method="PATCH", path="/api/me", handler=self.patch_me, access="user", body=ProfileBody, answer=Me,
                summary="Change your profile. A field that is left out stays, null clears it.",
            ),
            Endpoint(
                method="GET", path="/api/users/{user}", handler=self.get_user, answer=Profile, codes=(Code.NOT_FOUND,),
                summary="Show a public profile, or your own.",
            ),
        ]  # fmt: skip

    async def get_me(self, call: Call) -> Answer:
        """`GET /api/me`."""
        async with self._db.acting(call.identity) as connection:
            return Answer(document=await _fetch_me(connection, call.user.user_id))

    async def patch_me(self, call: Call) -> Answer:
        """`PATCH /api/me`."""
        user_id = call.user.user_id
        changes = _changes(call.body)
        async with self._db.acting(call.identity) as connection:
            # A ban refuses new texts, but a banned user may clear the fields of their profile.
            await refuse_banned(
                connection, user_id, *(("write", "all") if any({**changes, "language": ""}.values()) else ())
            )
            if changes:
                await _change_profile(connection, user_id, changes)
            return Answer(document=await _fetch_me(connection, user_id))

    async def get_user(self, call: Call) -> Answer:
        """`GET /api/users/{user}`."""
        user_id = None if call.identity is None else call.identity.user_id
        async with self._db.acting(call.identity) as connection:
            row = await queries.fetch_profile(connection, wanted=call.id("user"), user_id=user_id)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such user, or the profile is not public.")
        return Answer(document=Profile(id=row["user_id"], **profile_fields(row)))


def _changes(body: ProfileBody) -> dict[str, Any]:
    """Gives the new values of the columns of user_profiles: white space is normalised, null is the empty value."""
    given = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
    for name in ("display_name", "city"):
        if given.get(name):
            given[name] = " ".join(given[name].split())
    if given.get("bio"):
        given["bio"] = given["bio"].strip()
    cleared = {"display_name": None, "bio": "", "city": "", "country": "", "is_public": False, "language": ""}
    return {name: value or cleared[name] for name, value in given.items()}


async def _change_profile(connection: Connection, user_id: int, changes: dict[str, Any]) -> None:
    await queries.begin_profile(connection, user_id=user_id)
    locked = await queries.lock_profile(connection, user_id=user_id)
    assert locked is not None
    before = columns(locked)
    after = before | changes
    if _texts(after) == _texts(before):
        await queries.update_profile(connection, user_id=user_id, **after)
        return
    assessment = assess(*_texts(after), previous=before["status"]) if any(_texts(after)) else Assessment("approved", [])
    await queries.update_profile(connection, user_id=user_id, **(after | {"status": assessment.status}))
    await update_queue(connection, assessment, profile=user_id)


def _texts(profile: dict[str, Any]) -> tuple[str, ...]:
    """The texts of a profile that need a review."""
    return profile["display_name"] or "", profile["bio"], profile["city"]


async def _fetch_me(connection: Connection, user_id: int) -> Me:
    row = await queries.fetch_me(connection, user_id=user_id)
    if row is None:
        raise Refused(Code.UNAUTHENTICATED, "This account is gone. Sign in again.")
    email = None
    if row["address"] is not None:
        email = Email(
            address=row["address"], confirmed=row["is_confirmed"], frequency=row["frequency"], kinds=row["kinds"]
        )
    return Me(
        id=row["id"],
        role=row["role"],
        language=row["language"] or None,
        counts=counts_of(row),
        accuracy=Foresight(
            shows=row["show_count"],
            **{name: _rounded(row[name]) for name in ("precision", "recall", "rank_correlation")},
        ),
        bans=await list_active_bans(connection, user_id),
        email=email,
        **profile_fields(row),
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def counts_of(row: Any) -> Counts:
    """Builds the activity counts from the count columns of a row."""
    return Counts(
        follows=row["follow_count"],
        attendance=row["attendance_count"],
        votes=row["vote_count"],
        reviews=row["review_count"],
    )


def profile_fields(row: Any) -> dict[str, Any]:
    """Gives the fields of Profile without its id. The profile columns of the row may be null."""
    return {
        "created_at": iso(row["created_at"]),
        "display_name": row["display_name"],
        "bio": row["bio"] or None,
        "city": row["city"] or None,
        "country": row["country"] or None,
        "is_public": bool(row["is_public"]),
        "status": row["status"] or "approved",
    }
