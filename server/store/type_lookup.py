"""A connection that learns types at little cost, and that knows when a use of it has ended early.

The driver asks each connection's server for every type that it does not know: for enums, and for arrays of all types. Its query also
finds the parts of composite types, domains and ranges, and takes PostgreSQL 10 ms to plan. A node has a dozen connections, and most of
them need only arrays of PostgreSQL's own types: these are asked for once in a process.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import asyncpg

# The columns are those of the driver's query. An array comes after the type of its elements.
_SIMPLE_TYPES = """
select t.oid, n.nspname as ns, t.typname as name, t.typtype as kind, t.typelem as elemtype, e.typname as elemtype_name,
       e.typdelim as elemdelim, null as basetype, null as range_subtype, null as attrtypoids, null as attrnames
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_type e on e.oid = t.typelem
 where t.oid = any ($1::oid[] || array(select typelem from pg_catalog.pg_type where oid = any ($1::oid[])))
 order by t.typelem <> 0
"""
# Base types, enums and pseudo-types, as pg_type.typtype has them; the others have parts.
_SIMPLE = (b"b", b"e", b"p")
# Ids below are the same in every PostgreSQL (FirstGenbkiObjectId in its transam.h).
_OWN_IDS_END = 10_000
# Arrays of PostgreSQL's own types: id -> the rows of the element and of the array.
_OWN_ARRAYS: dict[int, list[Any]] = {}
# The driver prepares a statement again when a query for types has taken its place. When none was sent, none has.
_NOTHING_SENT = SimpleNamespace(name="nothing sent")


class Connection(asyncpg.Connection):
    """A connection of asyncpg with a cheaper query for types without parts."""

    _intro_query: str
    has_ended_early = False  # whether an exception has ended its last use

    def end_early(self) -> None:
        """An exception ends a use of it. A pool's proxy passes calls on, but no values."""
        self.has_ended_early = True

    async def _introspect_types(self, typeoids: Sequence[int], timeout: float | None) -> tuple[list[Any], Any]:
        if all(oid in _OWN_ARRAYS for oid in typeoids):
            return [row for oid in typeoids for row in _OWN_ARRAYS[oid]], _NOTHING_SENT
        drivers_query = self._intro_query
        self._intro_query = _SIMPLE_TYPES
        try:
            found, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]  # no stub has it
        finally:
            self._intro_query = drivers_query
        if any(row["kind"] not in _SIMPLE for row in found):
            found, statement = await super()._introspect_types(typeoids, timeout)  # type: ignore[misc]
        by_id = {row["oid"]: row for row in found}
        for row in found:
            if row["oid"] < _OWN_IDS_END and row["elemtype"] in by_id:
                _OWN_ARRAYS[row["oid"]] = [by_id[row["elemtype"]], row]
        return found, statement
