"""Paths of fans and moderators: tickets, crews, reviews, profiles, bans, and the erasure of an account."""

from __future__ import annotations

from typing import Any

from server.moderation.queries import decisions as moderation
from server.people.queries import accounts, reviews


async def redeem_ticket(connection: Any) -> None:
    """A fan redeems a code."""
    await connection.execute("select set_config('app.user_id', '1', true)")
    assert (
        await connection.fetchval("select redeem_ticket(1, sha256('ticket'), sha256('ticket of an older version'))")
        == "redeemed"
    )


async def give_ticket(connection: Any) -> None:
    """A fan has earned a ticket by work."""
    await connection.execute("select set_config('app.user_id', '1', true)")
    await connection.execute("select give_ticket(2, 'work', sha256('random'))")


async def join_crew(connection: Any) -> None:
    """A fan joins a crew and leaves another one, which is empty then."""
    await connection.execute("select set_config('app.user_id', '1', true)")
    assert await connection.fetchval("select join_crew('000000000000000b', 200, 20)") == "joined"
    await connection.execute("select leave_crew('000000000000000a')")


async def decide_review(connection: Any) -> None:
    """A moderator upholds a report: the review goes out of sight, and out of the counts of its venue."""
    await moderation.lock_subject(connection, review=1, profile=None)
    await moderation.decide_report(connection, id=1, status="upheld", decided_by=2)
    await moderation.uphold_reports(connection, review=1, profile=None, decided_by=2)
    await moderation.set_review_status(connection, id=1, status="rejected")


async def decide_profile(connection: Any) -> None:
    """A moderator decides about a profile that was held back: their own, at that."""
    await moderation.lock_subject(connection, review=None, profile=1)
    held = await connection.fetchval("select id from content_moderation where profile_id = 1")
    await moderation.decide_held(connection, id=held, status="rejected", decided_by=1, note="")
    await moderation.set_profile_status(connection, user_id=1, status="rejected")


async def write_review(connection: Any) -> None:
    """A fan changes a review."""
    await reviews.lock_own_review(connection, venue_id=2, user_id=1)
    review = await connection.fetchval("select id from venue_reviews where venue_id = 2 and user_id = 1")
    await reviews.update_review(connection, id=review, rating=5, body="better", status="approved")


async def lift_ban(connection: Any) -> None:
    """A moderator lifts a ban of their own."""
    await accounts.lock_ban(connection, id=2, user_id=2)
    await accounts.lift_ban(connection, id=2, lifted_by=1)


async def erase(connection: Any) -> None:
    """An account is erased."""
    await connection.execute("select erase_user(1)")
