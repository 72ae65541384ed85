"""The two logs of staff: the moderation log (decisions on texts and bans) and the audit log (every act of staff).

In the detail of an audit entry, a list of two holds what a field was and what it became, and `reason` says why.
"""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import Refused
from server.moderation.queries import logs as queries
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.protocol.instants import iso

if TYPE_CHECKING:
    from server.store.database import Connection


def command_line_user() -> str:
    """The name of the user who runs a command, for the audit log. A container may have a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "an unnamed user"


async def write_moderation_log(
    connection: Connection, moderator: Identity, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Adds a decision to the moderation log, in the transaction of the decision."""
    await queries.insert_moderation_entry(
        connection,
        moderator_id=moderator.user_id,
        action=action,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )


async def write_audit_log(
    connection: Connection, actor: Identity, action: str, subject: str, detail: dict[str, Any]
) -> None:
    """Adds an action of staff to the audit log, in the transaction of the action."""
    await queries.insert_audit_entry(
        connection,
        actor_id=actor.user_id,
        action=action,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )


async def write_command_log(connection: Connection, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Adds an action of the command line to the audit log, in the transaction of the action."""
    await queries.insert_audit_entry(
        connection,
        actor_id=None,
        action=action,
        subject=subject,
        detail=msgspec.json.encode({**detail, "by": command_line_user()}).decode(),
    )


async def refuse_stale(connection: Connection, subject: str, actual: int, expected: int | None) -> None:
    """Refuses a change that was made for an older state, and tells who changed what since.

    Takes:  subject, as in the audit log; actual, the revision in the database; expected, the revision that the administrator
            saw; None: the change does not depend on it
    Raises: Refused: conflict
    """
    if expected is None or expected == actual:
        return
    kind = subject.partition(":")[0]
    acts = [_told(row) async for row in queries.acts_since(connection, subject=subject, revision=expected)]
    told = "; ".join(acts) if acts else "no administrator: a sync, or the clock"
    raise Refused(
        Code.CONFLICT,
        f"Somebody else changed this {kind} since you read it: {told}. Its revision is {actual}, not {expected}. "
        "Read it again, then repeat your change.",
    )


def _told(row: Any) -> str:
    who = (
        f"user {row['actor_id']}" if row["display_name"] is None else f"{row['display_name']} (user {row['actor_id']})"
    )
    fields = f" ({', '.join(row['fields'])})" if row["fields"] else ""
    return f"{who} did {row['action']}{fields} at {iso(row['at'])}"
