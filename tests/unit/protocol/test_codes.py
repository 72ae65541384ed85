"""Codes: their statuses, their ranges, and their page."""

from __future__ import annotations

import re
from pathlib import Path

from server.protocol import codes
from server.protocol.codes import CLOSE_REASONS, HTTP_STATUS, Code

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"
CLOSE_CODES = {value for name, value in vars(codes).items() if name.startswith("CLOSE_") and isinstance(value, int)}


def rows_of(page: str) -> set[str]:
    """The codes at the beginning of table rows: "| `code` | …"."""
    return set(re.findall(r"^\|\s*`([a-z_]+|\d{4})`\s*\|", page, re.MULTILINE))


def test_exactly_the_codes_are_explained() -> None:
    """docs/errors.md has a row for each error code and each close code, and no other row."""
    rows = rows_of(PAGE.read_text().partition("## Who gives which code")[0])
    assert {row for row in rows if not row.isdigit()} == {str(code) for code in Code}
    assert {int(row) for row in rows if row.isdigit()} == CLOSE_REASONS.keys()
    assert CLOSE_REASONS.keys() >= CLOSE_CODES


def test_every_code_has_a_status() -> None:
    """Each error is a client's (4xx) or the server's (5xx)."""
    assert HTTP_STATUS.keys() == set(Code)
    assert all(400 <= status <= 599 for status in HTTP_STATUS.values())


def test_close_codes_tell_by_their_range_whether_to_come_back() -> None:
    """4000 to 4399 invite the client back; 4400 and up do not."""
    back = {codes.CLOSE_DRAIN, codes.CLOSE_SLOW, codes.CLOSE_STALE, codes.CLOSE_TOO_MANY}
    away = {codes.CLOSE_PROTOCOL, codes.CLOSE_BAD_TOKEN, codes.CLOSE_BANNED}
    assert all(4000 <= code <= 4399 for code in back)
    assert all(4400 <= code <= 4999 for code in away)


def test_rows_are_found_in_tables_only() -> None:
    """Codes in running text do not count as explained."""
    assert rows_of("| `budget` | too many |\n|`4001`| slow |\nText with `locked`.\n| when | `closed` |") == {
        "budget",
        "4001",
    }
