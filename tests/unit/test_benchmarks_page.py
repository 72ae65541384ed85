"""docs/benchmarks.md: the page of a run says what its record says, also where MySetlist is behind."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import orjson
import pytest
from charts import Bar, bar_chart
from peers.known import MYSETLIST, PEERS
from peers.page import PAGE, RECORD, pages
from peers.report import FLOOR, fanout_rows, votes_rows

DOCS = Path(__file__).parents[2] / "docs"
RESULT: dict[str, Any] = orjson.loads((DOCS / RECORD).read_bytes())


def figures(cpu_us: float, **others: Any) -> dict[str, Any]:
    """The figures of one turn with pushes."""
    return {
        "cpu_us_per_frame": cpu_us,
        "delivered": 1.0,
        "pushes_per_s": 10.0,
        "payload_bytes": 90,
        "spread_ms": cpu_us,
        **others,
    }


def result_of(*rounds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The record of a run with these turns."""
    calibration = {"python_ms": 50.0, "send_us": 4.0, "insert_ms": 90.0}
    versions = {one.name: "1.0" for one in PEERS}
    found = [{"calibration": calibration, "fanout": one, "votes": {}} for one in rounds]
    return {**copy.deepcopy(RESULT), "rounds": found, "versions": versions, "missing": []}


def test_the_page_is_what_its_record_gives() -> None:
    """Page and charts in docs/ are written from the record of the run beside them, and nothing else is."""
    written = pages(RESULT)
    assert {name: (DOCS / name).read_text("utf-8") for name in written} == written
    assert {path.name for path in DOCS.glob("benchmarks*")} == {*written, RECORD}


def test_ratios_are_taken_in_each_round() -> None:
    """A ratio compares with the floor of the same round, and the median is taken of the ratios."""
    rows = fanout_rows(
        result_of(
            {FLOOR: figures(4.0), MYSETLIST: figures(6.0)},
            {FLOOR: figures(10.0), MYSETLIST: figures(12.0)},
            {FLOOR: figures(5.0), MYSETLIST: figures(6.5)},
        )
    )
    assert [(row.name, row.ratio, row.ratio_min, row.ratio_max) for row in rows] == [
        (FLOOR, 1.0, 1.0, 1.0),
        (MYSETLIST, 1.3, 1.2, 1.5),
    ]


def test_a_server_that_failed_in_a_round_has_the_others() -> None:
    """A turn that failed leaves no figures; the row counts the rounds it has."""
    rows = fanout_rows(result_of({FLOOR: figures(4.0), "ws": figures(8.0)}, {FLOOR: figures(4.0)}))
    assert {row.name: row.rounds for row in rows} == {FLOOR: 2, "ws": 1}
    page = pages(result_of({FLOOR: figures(4.0), "ws": figures(8.0)}, {FLOOR: figures(4.0)}))[PAGE]
    assert "ws 1.0 (1 of 2 rounds)" in page


def test_the_page_says_where_we_are_behind() -> None:
    """Each figure names the servers that are better than ours, in their order."""
    turns = {
        FLOOR: figures(4.0), "nchan": figures(5.0), MYSETLIST: figures(6.0, memory_bytes_per_connection=15_000),
        "ws": figures(9.0, memory_bytes_per_connection=20_000),
    }  # fmt: skip
    page = pages(result_of(turns))[PAGE]
    assert "- CPU a frame: send() loop in C (floor), nchan in nginx\n" in page
    assert "- memory a connection: nobody\n" in page
    assert "| **MySetlist** | **Python** | **1.50** | **1.50, 1.50** |" in page


def test_what_was_not_measured_is_named() -> None:
    """A server without a turn is named with its reason, and each has a note how to get it."""
    result = result_of({FLOOR: figures(4.0), MYSETLIST: figures(6.0)})
    result["versions"] = {MYSETLIST: "1.0", "ws": "8.0"}
    result["missing"] = ["nchan"]
    page = pages(result)[PAGE]
    assert "nchan in nginx (not installed), Centrifuge (not asked for), ws (no turn came to an end)" in page
    for peer in PEERS:
        assert f"| {peer.title} | `{peer.name}` | {peer.get} |" in page


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_missing_server_says_how_to_get_it(peer: Any) -> None:
    """Whatever file a server needs, without it the message names the file and the way to get it."""
    assert re.match(r"make|apt-get install ", peer.get)
    assert peer.dialect is not None or peer.has_votes
    gone = Path("/nowhere/at/all")
    missing = type(peer)(**{**vars(peer), "needs": (gone,)}).missing()
    assert missing == f"{peer.title}: no {gone}; get it with: {peer.get}"


def test_a_chart_is_drawn_for_both_schemes() -> None:
    """A chart is well-formed, has each bar and its value, colours for light and dark, and marks a bar that it cuts."""
    bars = [Bar("Ours & co", 1.5, "1.50", True), Bar("quick", 1.0, "1.00", False), Bar("slow", 90.0, "90.00", False)]
    drawing = bar_chart("A title", "a note", bars)
    root = ET.fromstring(drawing)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        "A title",
        "a note; cut bars are longer than drawn",
        "quick",
        "1.00",
        "Ours & co",
        "1.50",
        "slow",
        "90.00",
    ]
    assert "prefers-color-scheme: dark" in drawing
    widths = [float(one.attrib["width"]) for one in root.iter("{http://www.w3.org/2000/svg}rect") if one.get("rx")]
    assert widths[0] < widths[1] < widths[2]
    assert drawing.count('class="cut"') == 1
    assert len(votes_rows(RESULT)) + len(fanout_rows(RESULT)) > 2
