"""The rules of docs/alerts.yml in Prometheus' own promtool: each alert fires at the first event, and none without one."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

# Its tests read the code, and run little of it.
pytestmark = pytest.mark.no_cover

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"
EVERY = "15s"
# What a quiet service shows: a series, and its values every 15 s. `_` is where the trouble begins after five minutes.
QUIET = {
    'up{job="mysetlist", instance="a"}': "1x40",
    'mysetlist_ready{instance="a"}': "1x40",
    'mysetlist_disk_free_bytes{instance="a"}': "50000000000x40",
    'mysetlist_valkey_memory_bytes{kind="used"}': "100x40",
    'mysetlist_valkey_memory_bytes{kind="limit"}': "1000x40",
    'mysetlist_casts_total{outcome="committed"}': "0+100x40",
    'mysetlist_casts_total{outcome="unavailable"}': "0x40",
    "mysetlist_votes_lost_total": "0x40",
    'mysetlist_votes_refused_total{reason="window"}': "0x40",
    'mysetlist_shards_held{instance="a"}': "16x40",
}
# The alert that one changed series makes fire, and the labels that it has beside those of its rule.
TROUBLES = {
    "NodeDown": ('up{job="mysetlist", instance="a"}', "1x20 0x20", {"job": "mysetlist", "instance": "a"}),
    "NodeNotReady": ('mysetlist_ready{instance="a"}', "1x20 0x20", {"instance": "a"}),
    "DiskNearlyFull": ('mysetlist_disk_free_bytes{instance="a"}', "50000000000x20 900000000x20", {}),
    "ValkeyMemoryNearlyFull": ('mysetlist_valkey_memory_bytes{kind="used"}', "100x20 900x20", {}),
    "CastsNotTaken": ('mysetlist_casts_total{outcome="unavailable"}', "0x20 20+20x20", {}),
    "VotesLost": ("mysetlist_votes_lost_total", "0x20 1x20", {}),
    "VotesRefusedLate": ('mysetlist_votes_refused_total{reason="window"}', "0x20 1x20", {"reason": "window"}),
    "ShardsWithoutWriter": ('mysetlist_shards_held{instance="a"}', "16x20 15x20", {}),
}


def test_alerts_fire_at_the_first_event(tmp_path: Path) -> None:
    """Seven minutes in, the alert of the series that changed two minutes ago fires, and no other one."""
    cases: list[dict[str, Any]] = []
    for trouble, (changed, values, labels) in {"": ("", "", {}), **TROUBLES}.items():
        series = QUIET | ({changed: values} if changed else {})
        cases.append(
            {
                "interval": EVERY,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [expected(alert, *([labels] if alert == trouble else [])) for alert in TROUBLES],
            }
        )
    # Without any node there is no series at all.
    cases.append(
        {"interval": EVERY, "input_series": [], "alert_rule_test": [expected("NodeDown", {"job": "mysetlist"})]}
    )
    check(tmp_path, cases, every=EVERY)


def test_burning_budgets_fire(tmp_path: Path) -> None:
    """A page needs both of its windows, 50 misses, and three minutes of them; a level fires one alert, its most urgent one."""
    # Level, which may miss one in a hundred -> its events, misses, and minutes with misses. Eight hours, every five minutes.
    hours = {
        "fast": ("0+1000x100", "0+0x84 200+200x15", "0+0x84 5+5x15"),
        "medium": ("0+1000x100", "0+0x20 100+100x79", "0+0x20 5+5x79"),
        "over": ("0+1000x100", "0+0x80 300+300x9 3000+0x9", "0+0x80 5+5x9 50+0x9"),
        "few": ("0+1x100", "0+0x92 1+1x7", "0+0x92 1+1x7"),
        "start": ("0+1000x100", "0+0x95 4000+0x4", "0+0x95 2+0x4"),
    }
    # Four days, every hour.
    days = {
        "slow": ("0+1000x100", "0+15x100", "0+5x100"),
        "within": ("0+1000x100", "0+9x100", "0+5x100"),
        "over": ("0+1000x100", "0+50x80 4000+0x20", "0+5x80 400+0x20"),
    }
    for every, at, levels, firing in (
        (
            "5m",
            "8h",
            hours,
            {"BudgetBurnsFast": ["fast"], "BudgetBurns": ["medium"], "BudgetBurnsSlowly": ["over", "start"]},
        ),
        ("1h", "90h", days, {"BudgetBurnsSlowly": ["slow"]}),
    ):
        series = [
            {"series": f'mysetlist_level_{name}{{level="{level}", instance="{node}"}}', "values": values}
            for level, (events, missed, minutes) in levels.items()
            for name, values, node in (
                ("events_total", events, "a"), ("missed_total", missed, "a"), ("missed_minutes_total", minutes, "a"),
                ("budget", "0.01x100", "a"), ("budget", "0.01x100", "b"),
            )
        ]  # fmt: skip
        tests = [expected(alert, *({"level": level} for level in found), at=at) for alert, found in firing.items()]
        check(tmp_path, [{"interval": every, "input_series": series, "alert_rule_test": tests}], every=every)


@cache
def rules() -> dict[str, Any]:
    """The rule of each alert."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def expected(alert: str, *labels: dict[str, str], at: str = "7m") -> dict[str, Any]:
    """The alert fires at this time once with each of these labels beside those of its rule."""
    rule = rules()[alert]
    fired = [{"exp_labels": rule["labels"] | more, "exp_annotations": rule["annotations"]} for more in labels]
    return {"eval_time": at, "alertname": alert, "exp_alerts": fired}


def check(folder: Path, cases: list[dict[str, Any]], *, every: str) -> None:
    """Has promtool test the rules with these cases."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool in PATH (Debian: the package prometheus)")
    tests = folder / "alerts.test.json"
    tests.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": every, "tests": cases}))
    checked = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
