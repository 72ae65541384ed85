"""docs/errors.md: the codes of each op and route."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.protocol.codes import HTTP_STATUS, Code
from server.protocol.replies import CHANNEL_CODES, COMMON_CODES, OPERATIONS
from server.web.openapi import codes_of
from tests.support.contract import ENDPOINTS, title

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
# Codes that follow from a route's declaration; the page has a sentence for each.
BY_RULE = {
    Code.BAD_REQUEST, Code.UNAUTHENTICATED, Code.RATE_LIMITED, Code.UNAVAILABLE, Code.INTERNAL, Code.TOO_LARGE,
    Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT,
}  # fmt: skip


def section(heading: str) -> str:
    found = re.search(rf"^### {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def rows(heading: str) -> dict[str, set[str]]:
    """The quoted words of the second column, by the quoted word of the first."""
    found = re.findall(r"^\| `([^`]+)` \|([^|]*)\|$", section(heading), re.MULTILINE)
    return {name: set(re.findall(r"`([^`]+)`", told)) for name, told in found}


def test_each_code_has_one_row() -> None:
    """The first table has every code once, with its HTTP status."""
    table = PAGE.partition("## Error codes")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (\d+)", table, re.MULTILINE)
    assert sorted(found) == sorted((str(code), str(HTTP_STATUS[code])) for code in Code)


def test_each_op_and_its_codes() -> None:
    """The page has the codes of each op, those of every op, and those of one channel."""
    expected = {op: {str(code) for code in told.codes} for op, told in OPERATIONS.items()}
    expected["any op"] = {str(code) for code in COMMON_CODES}
    expected["one channel of a subscribe"] = {str(code) for code in CHANNEL_CODES}
    assert rows("Which op") == expected


def test_each_code_and_its_routes() -> None:
    """The page names the routes of each code that does not follow from a route's declaration."""
    expected: dict[str, set[str]] = {}
    for endpoint in ENDPOINTS:
        by_rule = BY_RULE if endpoint.read_kind is None else BY_RULE | {Code.OVERLOADED}
        for code in codes_of(endpoint) - by_rule:
            expected.setdefault(str(code), set()).add(title(endpoint))
        assert endpoint.method != "GET" or Code.CONFLICT not in endpoint.codes
    lines = "\n".join(f"| `{c}` | {', '.join(f'`{r}`' for r in sorted(e))} |" for c, e in sorted(expected.items()))
    assert rows("Which route") == expected, f"the rows should be\n{lines}"


@pytest.mark.parametrize("code", sorted({*BY_RULE, Code.OVERLOADED}))
def test_codes_that_follow_from_a_route_are_explained(code: Code) -> None:
    """Each such code is in the sentences above the table."""
    assert f"`{code}`" in section("Which route").partition("\n|")[0]
