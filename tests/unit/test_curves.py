"""bench/curve_page.py draws the curves of docs/speed.md from a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from curve_page import BEGIN, END, PAGE, drawn, read_record, write_curves

ROOT = Path(__file__).parents[2]

RUN: dict[str, Any] = {
    "command": "make bench-curves OPTIONS=--write",
    "date": "2026-11-30T01:02:03+00:00",
    "commit": {"revision": "0123456789abcdef", "is_changed": False},
    "machine": {"cpu": "a CPU", "cores": 2, "system": "Linux", "load_before": 0.1},
    "points": [
        {
            "at": at,
            # The second point was measured while the machine was half as fast.
            "calibration": {"python_ms": python_ms, "send_us": 4.0, "insert_ms": 100.0},
            "figures": {
                "vote_us": vote_us, "server_us": 20.0, "postgres_us": 20.0, "valkey_us": 10.0, "votes_per_s": 20_000.0,
                "acknowledgement_p50_ms": None, "acknowledgement_p99_ms": 40.0,
            },
        }
        for at, python_ms, vote_us in ((1, 80.0, 60.0), (1_000, 160.0, 180.0))
    ],
}  # fmt: skip


def test_a_recorded_run_is_drawn_in_multiples_of_its_calibration() -> None:
    """The table has the raw figures and the multiples, and the text says how much the first point differs from the last."""
    text, charts = drawn({"shows": RUN})
    first, last = (next(line for line in text.splitlines() if line.startswith(f"| {at} |")) for at in ("1", "1,000"))
    assert "| 60.0, 20.0, 20.0, 10.0 | 20,000 | –, 40.0 | 1.50 | 80, 4.0, 100 |" in first
    assert "| 180, 20.0, 20.0, 10.0 |" in last
    assert "| 2.25 |" in last
    assert "× 1.50 from 1 to 1,000" in text
    assert "commit 0123456789ab, 2 cores" in text
    assert "with changes" not in text
    chart = ET.fromstring(charts["speed-shows-vote.svg"])
    assert len([one for one in chart.iter() if one.get("class", "").startswith("curve")]) == 4
    assert "2.25 at 1,000" in "".join(chart.itertext())
    assert "prefers-color-scheme: dark" in charts["speed-shows-acknowledgement.svg"]


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    """A page that is drawn twice is the same, and what stands around the curves stays; another curve keeps its run."""
    (tmp_path / PAGE).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    write_curves({"shows": RUN}, tmp_path)
    write_curves(read_record(tmp_path), tmp_path)
    page = (tmp_path / PAGE).read_text("utf-8")
    assert page.startswith(f"before\n{BEGIN}\n### Shows\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert {file.suffix for file in tmp_path.iterdir()} == {".md", ".json", ".svg"}


def test_the_page_of_the_docs_is_what_its_record_draws() -> None:
    """The curves in docs/speed.md, and the charts beside it, are drawn from docs/speed.json."""
    docs = ROOT / "docs"
    text, charts = drawn(read_record(docs))
    assert f"{BEGIN}\n{text}{END}" in (docs / PAGE).read_text("utf-8")
    assert {name: (docs / name).read_text("utf-8") for name in charts} == charts
