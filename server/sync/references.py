"""Finds the artist, venue or show that a record means. A name means what has this name, never what has the slug it makes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from server.sync.matching import folded
from server.sync.queries import records as queries

if TYPE_CHECKING:
    from server.store.database import Connection


class RecordRefused(Exception):
    """A record that cannot be written, for example because it names an unknown venue; the message is for a person."""


async def find_artists(connection: Connection, references: Collection[str], *, is_file: bool) -> dict[str, Any]:
    """The artists that records refer to, by slug or name.

    Takes:  is_file: people name by name first; a sync names by slug
    Raises: RecordRefused: a reference fits no artist, or more than one
    """
    rows = await _grouped(queries.find_artists(connection, references=sorted(references)))
    return {one: _resolve("artist", one, rows[one], is_file=is_file) for one in sorted(references)}


async def find_venues(connection: Connection, references: Collection[str], *, is_file: bool) -> dict[str, Any]:
    """The same for venues, with their time zones."""
    rows = await _grouped(queries.find_venues(connection, references=sorted(references)))
    return {one: _resolve("venue", one, rows[one], is_file=is_file) for one in sorted(references)}


async def artists_named(connection: Connection, names: Collection[str]) -> dict[str, Any]:
    """The artist that has each name, in any spelling; a name that is new is left out.

    Raises: RecordRefused: several artists have a name
    """
    rows = await _grouped(queries.find_artists(connection, references=sorted(names)))
    return _of_names("artist", names, rows, lambda name, row: folded(row["name"]) == folded(name))


async def venues_named(
    connection: Connection, places: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], Any]:
    """The venue of each name, city and country, in any spelling; one that is new is left out.

    Raises: RecordRefused: several venues of one city have a name
    """
    rows = await _grouped(queries.find_venues(connection, references=sorted({name for name, _, _ in places})))

    def is_there(place: tuple[str, str, str], row: Any) -> bool:
        name, city, country = place
        return (folded(row["name"]), folded(row["city"]), row["country"]) == (folded(name), folded(city), country)

    return _of_names("venue", places, {place: rows[place[0]] for place in places}, is_there)


def _of_names(kind: str, names: Collection[Any], rows: Any, has_name: Callable[[Any, Any], bool]) -> dict[Any, Any]:
    found = {}
    for name in names:
        same = [row for row in rows[name] if has_name(name, row)]
        exact = [row for row in same if row["name"] == (name if isinstance(name, str) else name[0])]
        fitting = exact if len(exact) == 1 else same
        if len(fitting) > 1:
            raise RecordRefused(_ambiguous(kind, name if isinstance(name, str) else name[0], fitting))
        if fitting:
            found[name] = fitting[0]
    return found


def _resolve(kind: str, reference: str, rows: list[Any], *, is_file: bool) -> Any:
    exact = [row for row in rows if row["name"] == reference]
    by_slug = [row for row in rows if row["slug"] == reference]
    same = [row for row in rows if folded(row["name"]) == folded(reference)]
    if is_file and len(exact) != 1 and by_slug and same and by_slug[0] not in same:
        raise RecordRefused(
            f"`{reference}` is the slug of {by_slug[0]['name']} and the name of {_listed(same)}: give the exact name or the other slug"
        )
    for group in (exact, by_slug, same) if is_file else (by_slug, exact, same):
        if len(group) == 1:
            return group[0]
    if same:
        raise RecordRefused(_ambiguous(kind, reference, same))
    similar = f"; similar is {_listed(rows)}" if rows else ""
    raise RecordRefused(f"no {kind} is called `{reference}`: give the slug or the name of one{similar}")


def _ambiguous(kind: str, name: str, rows: list[Any]) -> str:
    return f"{len(rows)} {kind}s are called `{name}`: give the slug of one, {_listed(rows)}"


def _listed(rows: list[Any]) -> str:
    return ", ".join(f"{row['slug']} ({row['name']})" for row in rows[:3])


async def _grouped(rows: Any) -> defaultdict[str, list[Any]]:
    grouped: defaultdict[str, list[Any]] = defaultdict(list)
    async for row in rows:
        grouped[row["reference"]].append(row)
    return grouped
