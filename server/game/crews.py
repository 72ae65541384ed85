"""Crews over HTTP: fans who compare their points among themselves. Anyone with the link may join."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any

import msgspec

from server.errors import Refused
from server.game.queries import crews as queries
from server.moderation.bans import refuse_banned
from server.moderation.screening import screen
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.instants import iso
from server.store.database import Database

CREW_NAME_CHARS_MAX = 60
CREW_MEMBERS_MAX = 200
CREWS_OF_FAN_MAX = 20
CODE_BYTES = 12  # sixteen characters in a link, too many to guess
_CODE = re.compile(r"[A-Za-z0-9_-]{16}")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=CREW_NAME_CHARS_MAX, description="A name for the crew.")]


class CrewBody(msgspec.Struct, frozen=True):
    """A crew to make."""

    name: Name


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """A crew. `code`: the part of its link by which others join. It also says whether you are a member."""

    code: str
    name: str
    members: int
    is_member: bool


class JoinedCrew(msgspec.Struct, frozen=True):
    """A crew that you are a member of."""

    code: str
    name: str
    joined_at: str


class CrewList(msgspec.Struct, frozen=True):
    """Your crews, the one joined last first."""

    items: list[JoinedCrew]


class CrewRoutes:
    """The endpoints of crews."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path, codes, not_found = "/api/crews/{crew}", ("crew",), (Code.NOT_FOUND,)
        return [
            Endpoint(
                method="GET", path="/api/crews", handler=self.get_crews, answer=CrewList,
                summary="Your crews; none without an account.",
            ),
            Endpoint(
                method="POST", path="/api/crews", handler=self.post_crew, access="user", body=CrewBody, answer=Crew,
                status=201, codes=(Code.CONFLICT,), summary="Make a crew. You are its first member.",
            ),
            Endpoint(
                method="GET", path=path, handler=self.get_crew, answer=Crew, secrets=codes, codes=not_found,
                summary="What an invitation to a crew shows.",
            ),
            Endpoint(
                method="POST", path=f"{path}/join", handler=self.post_join, access="user", answer=Crew, secrets=codes,
                codes=(*not_found, Code.CONFLICT), summary="Join a crew by its code. Repeating it changes nothing.",
            ),
            Endpoint(
                method="POST", path=f"{path}/leave", handler=self.post_leave, access="user", status=204,
                secrets=codes, codes=not_found, summary="Leave a crew. Repeating it changes nothing.",
            ),
        ]  # fmt: skip

    async def get_crews(self, call: Call) -> Answer:
        """`GET /api/crews`."""
        async with self._db.acting(call.identity) as connection:
            user_id = call.identity.user_id if call.identity is not None else 0
            rows = [row async for row in queries.own_crews(connection, user_id=user_id)]
        return Answer(document=CrewList([JoinedCrew(row["code"], row["name"], iso(row["joined_at"])) for row in rows]))

    async def post_crew(self, call: Call) -> Answer:
        """`POST /api/crews`."""
        name = call.body.name
        if reasons := screen(name):
            raise Refused(Code.BAD_REQUEST, f"This name cannot be shown ({', '.join(reasons)}). Choose another one.")
        code = secrets.token_urlsafe(CODE_BYTES)
        async with self._db.acting(call.identity) as connection:
            await refuse_banned(connection, call.user.user_id, "write", "all")
            if not await queries.make_crew(connection, code=code, name=name, crews_max=CREWS_OF_FAN_MAX):
                raise _too_many()
        return Answer(document=Crew(code=code, name=name, members=1, is_member=True))

    async def get_crew(self, call: Call) -> Answer:
        """`GET /api/crews/{crew}`."""
        async with self._db.acting(call.identity) as connection:
            row = await queries.show_crew(connection, code=_code(call))
        if row is None:
            raise _unknown()
        return Answer(document=_crew(call, row))

    async def post_join(self, call: Call) -> Answer:
        """`POST /api/crews/{crew}/join`."""
        code = _code(call)
        async with self._db.acting(call.identity) as connection:
            await refuse_banned(connection, call.user.user_id, "all")
            joined = await queries.join_crew(
                connection, code=code, members_max=CREW_MEMBERS_MAX, crews_max=CREWS_OF_FAN_MAX
            )
            if joined == "full":
                raise Refused(Code.CONFLICT, f"This crew has {CREW_MEMBERS_MAX} members, which is as many as may be.")
            if joined == "many":
                raise _too_many()
            row = await queries.show_crew(connection, code=code)
        if row is None:
            raise _unknown()
        return Answer(document=_crew(call, row))

    async def post_leave(self, call: Call) -> Answer:
        """`POST /api/crews/{crew}/leave`."""
        async with self._db.acting(call.identity) as connection:
            await queries.leave_crew(connection, code=_code(call))
        return Answer()


def _code(call: Call) -> str:
    """The code of the crew in the path.

    Raises: Refused: not_found, the text is no code
    """
    code = call.path["crew"]
    if not _CODE.fullmatch(code):
        raise _unknown()
    return code


def _crew(call: Call, row: Any) -> Crew:
    return Crew(code=_code(call), name=row["name"], members=row["member_count"], is_member=row["is_member"])


def _unknown() -> Refused:
    return Refused(Code.NOT_FOUND, "No such crew. Ask for the link again.")


def _too_many() -> Refused:
    return Refused(Code.CONFLICT, f"You are in {CREWS_OF_FAN_MAX} crews, which is as many as may be. Leave one first.")
