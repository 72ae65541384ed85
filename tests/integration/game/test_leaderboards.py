"""Leaderboards over HTTP: live in a show, corrected, the same on every node, and added up when shows are over."""

from __future__ import annotations

from typing import Any

from server.game.queries import standings as queries
from server.game.reconcile import run as reconcile
from server.node.node import Node
from server.store.named_queries import sql_of
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import until

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, other = one_node.node, one_node.emptied, one_node.people, one_node.other


class Night:
    """A show with four songs, a, b, c and d, and fans who pick them."""

    def __init__(self, people: People, show: int, entries: list[Any], moderator: Person) -> None:
        self.people = people
        self.show = show
        self.entries = {name: entry["id"] for name, entry in zip("abcd", entries, strict=True)}
        self.songs = {name: entry["song_id"] for name, entry in zip("abcd", entries, strict=True)}
        self.moderator = moderator
        self.fans: list[Person] = []

    @property
    def board(self) -> str:
        """The path of the show's leaderboard."""
        return f"/api/leaderboard?show={self.show}"

    async def picks(self, fan: Person, songs: str, **places: str) -> None:
        """A fan's pick, "abc"."""
        body = {"songs": [self.songs[name] for name in songs]} | {at: self.songs[name] for at, name in places.items()}
        await fan.ok("PUT", f"/api/shows/{self.show}/picks", body)

    async def plays(self, name: str, *, played: bool = True) -> None:
        """Marks a song as played, or takes the mark back."""
        body = {"song": self.entries[name], "played": played}
        await self.moderator.ok("POST", f"/api/admin/shows/{self.show}/played", body)

    async def points(self, fan: Person | None = None) -> list[tuple[int, int]]:
        """Places and points, in order."""
        items = await (fan or self.people.nobody()).pages(self.board, 3)
        return [(item["rank"], item["points"]) for item in items]


async def night(people: People, factory: RowFactory, show: int = 7) -> Night:
    """Four fans with the picks of the example in docs/game.md."""
    await factory.show(show, song_count=4)
    entries = await factory.sql.fetch(
        "select id, song_id from setlist_songs where show_id = $1 order by position", show
    )
    made = Night(people, show, entries, await people.person("moderator"))
    made.fans = await people.persons(4)
    await made.picks(made.fans[0], "abc", opener="a", closer="c")
    await made.picks(made.fans[1], "ab", encore="b")
    await made.picks(made.fans[2], "ad", opener="d")
    await made.picks(made.fans[3], "a")
    return made


async def counted(factory: RowFactory) -> None:
    """Returns when the node has counted every board that has a note."""

    async def is_counted() -> bool:
        return not await factory.sql.fetchval("select exists (select from boards_to_count)")

    await until(is_counted)


async def finish(factory: RowFactory, show: int = 7) -> None:
    """The show is over."""
    await factory.sql.execute(
        "update shows set status = 'finished', starts_at = now() - interval '5 hours', closes_at = now() where id = $1",
        show,
    )


async def test_points_follow_every_mark_and_correction(people: People, factory: RowFactory, other: Node) -> None:
    """The numbers of docs/game.md, live; a mark that is taken back, and another order, score again; every node says the same."""
    made = await night(people, factory)
    ann = made.fans[0]
    before = await ann.ok("GET", made.board)
    assert (before["state"], before["count"], before["items"], before["you"]) == ("open", 4, [], None)
    await made.plays("a")
    assert await made.points() == [(1, 60), (2, 10), (2, 10), (2, 10)]
    await made.plays("c")
    assert await made.points() == [(1, 138), (2, 10), (2, 10), (2, 10)]
    elsewhere = Person(ann.id, ann.role, ann.http, other.url, ann.token)
    for fan in (ann, elsewhere):
        board = await fan.ok("GET", made.board + "&limit=1")
        assert (board["state"], board["count"], board["you"]) == ("live", 4, {"rank": 1, "points": 138, "shows": 1})
        assert board["items"] == [{"rank": 1, "points": 138, "shows": 1, "name": None, "is_you": True}]
    own = await ann.ok("GET", "/api/shows/7/picks")
    assert own["score"] == {"points": 138, "rank": 1, "count": 4}
    assert [(song["worth"], song["was_played"]) for song in own["songs"]] == [(10, True), (55, False), (78, True)]
    # Another opener: the mark of a was too early.
    await made.plays("a", played=False)
    assert await made.points() == [(1, 78), (2, 0), (2, 0), (2, 0)]
    await made.plays("a")
    assert await made.points(elsewhere) == [(1, 88), (2, 10), (2, 10), (2, 10)]


async def test_a_finished_show_is_added_up(people: People, factory: RowFactory, database_url: str) -> None:
    """When shows are over, their actual sets decide; artist, season and crew have the sums, and a correction moves them."""
    first, second = await night(people, factory), await night(people, factory, 8)
    ann, ben = first.fans[:2]
    await second.picks(ann, "d")
    crew = (await ben.ok("POST", "/api/crews", {"name": "Front row"}, status=201))["code"]
    await ann.ok("POST", f"/api/crews/{crew}/join")
    await first.plays("d")
    await factory.sql.execute(
        "insert into setlists (show_id, type, name, position, kind) values (7, 'actual', 'Main', 1, 'main'), (7, 'actual', 'More', 2, 'encore')"
    )
    for position, (kind, name) in enumerate((("main", "a"), ("main", "c"), ("encore", "b")), 1):
        await factory.sql.execute(
            "insert into setlist_songs (setlist_id, show_id, song_id, position) select id, 7, $1, $2 from setlists"
            " where show_id = 7 and type = 'actual' and kind = $3::text::set_kind",
            first.songs[name], position, kind,
        )  # fmt: skip
    await finish(factory)
    final = [(1, 193), (2, 95), (3, 10), (3, 10)]
    assert await first.points() == final, "scored from the picks"
    await counted(factory)
    assert await first.points() == final, "read from standings"
    year = await factory.sql.fetchval("select date_part('year', local_date)::int from shows where id = 7")
    for board in ("artist=band", f"season={year}"):
        page = await ben.ok("GET", f"/api/leaderboard?{board}&limit=3")
        assert [(item["rank"], item["points"], item["is_you"]) for item in page["items"]] == [
            (1, 193, False), (2, 95, True), (3, 10, False),
        ]  # fmt: skip
        assert (page["count"], page["you"]) == (4, {"rank": 2, "points": 95, "shows": 1})
        assert [item["points"] for item in await ben.pages(f"/api/leaderboard?{board}", 1)] == [193, 95, 10, 10]
    await second.plays("d")
    await finish(factory, 8)
    await counted(factory)
    # In the second show only ann and one of its fans picked d, among five: 100 - 36, and d opened and closed it.
    assert (await ann.ok("GET", "/api/leaderboard?artist=band"))["you"] == {"rank": 1, "points": 257, "shows": 2}
    board = await ann.ok("GET", f"/api/leaderboard?crew={crew}")
    assert [(item["rank"], item["points"], item["shows"]) for item in board["items"]] == [(1, 257, 2), (2, 95, 1)]
    live = await ben.ok("GET", f"/api/leaderboard?crew={crew}&show=8")
    assert [(item["points"], item["is_you"]) for item in live["items"]] == [(64, False)]
    admin = await people.person("admin")
    day = await factory.sql.fetchval("select local_date::text from shows where id = 7")
    path, body = "/api/admin/artists/band/tours", {"name": "Sprong", "first_date": "2020-01-01", "last_date": day}
    rehearsed = await admin.ok("POST", f"{path}?preview=true", body, status=201)
    assert (rehearsed["is_preview"], rehearsed["shows"], rehearsed["artist"]["name"]) == (True, 2, "Band")
    assert (await ann.ok("GET", "/api/artists/1/tours"))["items"] == []
    tour = await admin.ok("POST", path, body, status=201)
    assert await admin.refused("PATCH", f"/api/admin/tours/{tour['id']}", {"last_date": "2019-01-01"}) == "bad_request"
    changed = await admin.ok("PATCH", f"/api/admin/tours/{tour['id']}", {"name": "Spring", "first_date": day})
    assert (await admin.ok("GET", "/api/admin/tours"))["items"] == [
        {name: value for name, value in changed.items() if name != "is_preview"}
    ]
    [told] = (await ann.ok("GET", "/api/artists/1/tours"))["items"]
    assert told == {"id": tour["id"], "name": "Spring", "first_date": day, "last_date": day}
    await counted(factory)
    board = await ann.ok("GET", f"/api/leaderboard?tour={tour['id']}")
    assert (board["name"], board["you"]) == ("Band: Spring", {"rank": 1, "points": 257, "shows": 2})
    picks = await ann.pages("/api/me/picks", 1)
    assert [(pick["slug"], pick["songs"], pick["points"], pick["rank"]) for pick in picks] == [
        ("show-8", 1, 64, 2), ("show-7", 3, 193, 1),
    ]  # fmt: skip
    assert await reconcile(database_url) == []
    assert (await admin.ok("DELETE", f"/api/admin/tours/{tour['id']}?preview=true"))["is_preview"]
    assert not (await admin.ok("DELETE", f"/api/admin/tours/{tour['id']}"))["is_preview"]
    assert await admin.refused("DELETE", f"/api/admin/tours/{tour['id']}") == "not_found"
    await counted(factory)
    assert await factory.sql.fetchval("select count(*) from standings where board = 'tour'") == 0
    # A correction of the finished show, and a wrong number.
    await factory.sql.execute("delete from setlists where show_id = 7 and kind = 'encore'")
    await counted(factory)
    assert await first.points() == [(1, 188), (2, 10), (2, 10), (2, 10)]
    assert (await ben.ok("GET", "/api/leaderboard?artist=1"))["you"] == {"rank": 3, "points": 10, "shows": 1}
    await factory.sql.execute(
        "update standings set points = points + 1 where board <> 'season' and user_id = $1", ben.id
    )
    wrong = ["leaderboard of show 7: 1 places differ", f"leaderboard of season {year}: 1 places differ"]
    assert await reconcile(database_url) == wrong
    assert await reconcile(database_url, repair=True) == wrong
    assert await reconcile(database_url) == []
    # A show that is postponed after all, and one that is deleted, count no more.
    await factory.sql.execute("update shows set status = 'upcoming', starts_at = now() + interval '1 day' where id = 7")
    await factory.sql.execute("delete from shows where id = 8")
    await counted(factory)
    assert (await ann.ok("GET", "/api/leaderboard?artist=1"))["count"] == 0
    assert await factory.sql.fetchval("select count(*) from standings") == 0


async def test_merged_songs_are_one(people: People, factory: RowFactory) -> None:
    """Picks of a duplicate are picks of the song that it became, and a pick of both has it once."""
    made = await night(people, factory)
    admin = await people.person("admin")
    twin = await factory.sql.fetchval("insert into songs (artist_id, title) values (1, 'Twin') returning id")
    made.songs["t"] = twin
    await made.picks(made.fans[3], "at")
    await made.picks(made.fans[0], "bt")
    await made.plays("b")
    assert await made.points() == [(1, 55), (1, 55), (3, 0), (3, 0)]
    body = {"duplicate": twin, "reason": "the same"}
    await admin.ok("POST", f"/api/admin/songs/{made.songs['b']}/merge", body)
    # Three of four picks have it now.
    assert await made.points() == [(1, 33), (1, 33), (1, 33), (4, 0)]
    own = await made.fans[3].ok("GET", "/api/shows/7/picks")
    assert [(song["title"], song["worth"], song["was_played"]) for song in own["songs"]][1] == ("Song 1", 33, True)


async def test_only_public_names_are_shown(people: People, factory: RowFactory) -> None:
    """A board shows names of approved public profiles, not of banned fans, and an erased fan leaves a place without a name."""
    made = await night(people, factory)
    for number, (public, status) in enumerate(
        ((True, "approved"), (True, "pending"), (False, "approved"), (True, "approved"))
    ):
        await factory.sql.execute(
            "insert into user_profiles (user_id, display_name, is_public, status) values ($1, $2, $3, $4)",
            made.fans[number].id, f"Fan {number}", public, status,
        )  # fmt: skip
    await made.plays("a")
    names = [item["name"] for item in await made.fans[1].pages(made.board, 10)]
    assert sorted(filter(None, names)) == ["Fan 0", "Fan 3"]
    await made.moderator.ok(
        "POST", f"/api/admin/users/{made.fans[3].id}/bans", {"kind": "write", "reason": "rude"}, status=201
    )
    assert [item["name"] for item in await made.fans[1].pages(made.board, 10)].count("Fan 3") == 0
    assert await made.fans[0].ask("DELETE", "/api/me") == (204, None)
    assert [item["name"] for item in await made.fans[1].pages(made.board, 10)] == [None] * 4
    assert await made.points() == [(1, 60), (2, 10), (2, 10), (2, 10)]


async def test_the_board_of_a_show_names_its_artist_and_venue(people: People, factory: RowFactory) -> None:
    """Before, while and after its points grow: a page says them in its reader's language when the show has no name of its own."""
    made = await night(people, factory)
    states = []
    for act in (None, made.plays("a"), finish(factory)):
        if act is not None:
            await act
        await counted(factory)
        board = await made.fans[0].ok("GET", made.board)
        assert (board["name"], board["artist"], board["venue"]) == ("Show", "Band", "Hall")
        states.append(board["state"])
    assert states == ["open", "live", "final"]
    board = await made.fans[0].ok("GET", "/api/leaderboard?artist=1")
    assert (board["name"], board["artist"], board["venue"]) == ("Band", None, None)


async def test_which_board_must_be_said(people: People, factory: RowFactory) -> None:
    """One board at a time; boards that do not exist are not found; an unknown season is empty."""
    ann, nobody = await people.person(), people.nobody()
    for query in ("?show=1&artist=1", "?season=2026&crew=x", "?season=26", "?season=2026&cursor=x"):
        assert await ann.refused("GET", f"/api/leaderboard{query}") == "bad_request", query
    for query in ("show=99", "artist=no-one", "tour=99", "crew=nobodys"):
        assert await ann.refused("GET", f"/api/leaderboard?{query}") == "not_found", query
    assert await nobody.refused("GET", "/api/leaderboard?crew=x") == "unauthenticated"
    assert (await nobody.ok("GET", "/api/leaderboard?season=1999"))["items"] == []
    assert (await nobody.ok("GET", "/api/leaderboard"))["kind"] == "season"


async def test_a_page_of_a_large_board_is_found_by_its_index(factory: RowFactory) -> None:
    """With the rights of a node, neither a page nor the number of fans reads or sorts the rows of a whole board."""
    async with factory.sql.transaction():
        # A small table is read whole, whatever indexes it has.
        await factory.sql.execute(
            "set local enable_seqscan = off; set local enable_bitmapscan = off; set local role mysetlist_writer"
        )
        for query, values in (
            (queries.page_of_board, "'show', 1, 0, 10"),
            (queries.count_standings, "'show', 1"),
        ):
            statement = sql_of(query)
            types = ", ".join(["text", "bigint", "bigint", "bigint"][: values.count(",") + 1])
            await factory.sql.execute(f"prepare wanted ({types}) as {statement}")
            plan = "\n".join(row[0] for row in await factory.sql.fetch(f"explain execute wanted ({values})"))
            await factory.sql.execute("deallocate wanted")
            assert "standings_number_idx" in plan
            assert "Sort" not in plan
