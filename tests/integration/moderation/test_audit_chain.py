"""The chain of hashes over the audit log: the check finds what was altered, added or removed by hand, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest

from server.errors import SetupError
from server.moderation.audit_chain import Head, chain_acts, check
from tests.support.commands import run_command
from tests.support.row_factory import RowFactory

HASH = "0" * 64
ABOUT = "its subject or detail was altered"
REST = "its actor, action or time was altered, or its place in the chain"
NOT_EMPTY = "it counts as erased, but its subject or detail is not empty"


async def log_acts(factory: RowFactory, *numbers: int) -> None:
    """Logs an act with each id, and gives it its place in the chain."""
    await factory.sql.executemany(
        "insert into audit_log (id, actor_id, action, subject, detail) overriding system value"
        " values ($1, 1, 'show.lock', 'user:9', '{\"reason\": \"späte Änderung\"}')",
        [(number,) for number in numbers],
    )
    await chain_acts(factory.sql)


async def by_hand(factory: RowFactory, statements: str) -> None:
    """Runs statements as an owner of the database who has switched the triggers off."""
    await factory.sql.execute(
        f"set session_replication_role = replica; {statements}; set session_replication_role = origin"
    )


async def test_an_untouched_log_agrees(database_url: str, factory: RowFactory) -> None:
    """Ids may come in any order; new entries wait for their place; the erasure of an account keeps the chain whole."""
    assert (await check(database_url)).problems == []
    await log_acts(factory, 3, 1)
    await log_acts(factory, 2)
    head = (await check(database_url)).head
    assert head is not None
    await factory.sql.execute("insert into audit_log (id, action) overriding system value values (4, 'show.unlock')")
    await factory.sql.execute(
        "begin; set local app.erasing = 'on'; update audit_log set subject = 'user:0', detail = '{}' where subject = 'user:9'; commit"
    )
    found = await check(database_url, head)
    assert (found.problems, found.entry_count, found.erased_count, found.head) == ([], 3, 3, head)
    assert await factory.sql.fetchval("select count(salt) from audit_log") == 1
    await chain_acts(factory.sql)
    assert (await check(database_url, head)).entry_count == 4


@pytest.mark.parametrize(
    ("statements", "problems"),
    [
        ("update audit_log set subject = 'user:8' where id = 2", [f"entry 2: {ABOUT}"]),
        ("update audit_log set detail = '{}' where id = 2", [f"entry 2: {ABOUT}"]),
        ("update audit_log set actor_id = null where id = 2", [f"entry 2: {REST}"]),
        ("update audit_log set action = 'show.open' where id = 2", [f"entry 2: {REST}"]),
        ("update audit_log set at = at + interval '1 us' where id = 2", [f"entry 2: {REST}"]),
        ("update audit_log set salt = null where id = 2", [f"entry 2: {NOT_EMPTY}"]),
        ("delete from audit_log where id = 2", ["entry 2: missing in the log"]),
        ("delete from audit_log where id = 4", ["entry 4: it was noted for the chain, and is missing in the log"]),
        ("insert into audit_log (id, action) overriding system value values (9, 'show.lock')", ["entry 9: not in the chain"]),
        (
            "delete from audit_chain where position = 2",
            ["position 2: missing in the chain", "entry 2: not in the chain"],
        ),
        (
            "update audit_chain set hash = sha256('') where position = 2",
            [f"entry 2: {REST}", f"entry 3: {REST}"],
        ),
    ],
)  # fmt: skip
async def test_each_change_by_hand_is_named(
    database_url: str, factory: RowFactory, statements: str, problems: list[str]
) -> None:
    """An entry, its place, or both are changed while the triggers are off. Entry 4 waits for its place."""
    await log_acts(factory, 1, 2, 3)
    await factory.sql.execute("insert into audit_log (id, action) overriding system value values (4, 'show.unlock')")
    await by_hand(factory, statements)
    assert (await check(database_url)).problems == problems


async def test_a_noted_head_shows_a_forged_chain(database_url: str, factory: RowFactory) -> None:
    """Who removes the end of log and chain, or calculates the chain again, is found by a head from before."""
    await log_acts(factory, 1, 2, 3)
    head = (await check(database_url)).head
    await by_hand(factory, "delete from audit_log where id = 3; delete from audit_chain where position = 3")
    assert (await check(database_url)).problems == []
    gone = "the chain ends at position 2, you noted 3: its end was removed"
    assert (await check(database_url, head)).problems == [gone]
    await by_hand(
        factory,
        "update audit_log set action = 'show.open' where id = 2; delete from audit_chain;"
        " insert into acts_to_chain select id from audit_log",
    )
    await log_acts(factory, 3)
    assert (await check(database_url)).problems == []
    (problem,) = (await check(database_url, head)).problems
    assert problem.startswith("position 3: its hash is ")
    assert problem.endswith("changed together with the chain.")


async def test_nobody_changes_the_chain(factory: RowFactory) -> None:
    """Even the owner's statements are refused while the triggers are on."""
    await log_acts(factory, 1)
    for statement in ("update audit_chain set entry_id = 2", "delete from audit_chain", "truncate audit_chain"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await factory.sql.execute(statement)


@pytest.mark.parametrize("text", ["", "3", f"0:{HASH}", f"3:{HASH[1:]}", f"-3:{HASH}", f"3:{HASH}0", f"٣:{HASH}"])
def test_a_head_is_a_position_and_a_hash(text: str) -> None:
    """The message says how a head looks."""
    with pytest.raises(SetupError, match="the position, a colon, and 64 digits"):
        Head.parse(text)


async def test_the_command(database_url: str, factory: RowFactory, tmp_path: Path) -> None:
    """It prints the head when log and chain agree, else what is wrong with exit code 1. It needs an argument."""
    await log_acts(factory, 1, 2)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": database_url}

    async def audit(*arguments: str) -> tuple[int, str, str]:
        return await run_command("audit", "--data-dir", str(tmp_path), *arguments, environ=environ)

    code, printed, _ = await audit("--log")
    first, head, _ = printed.splitlines()
    assert (code, first) == (0, "the audit log agrees with its chain: 2 entries")
    await by_hand(factory, "update audit_log set actor_id = 7 where id = 1")
    code, printed, _ = await audit("--log", "--head", head.removeprefix("head "))
    assert (code, printed) == (1, f"entry 1: {REST}\n")
    code, _, error = await audit()
    assert code != 0
    assert "--log" in error
