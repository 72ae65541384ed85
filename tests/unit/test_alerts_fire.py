"""The rules of docs/alerts.yml in Prometheus' own promtool: each alert fires at the first event, and none without one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool in PATH (Debian: the package prometheus)")
    rules = {rule["alert"]: rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}

    def expected(alert: str, labels: dict[str, str] | None) -> dict[str, Any]:
        fired = [] if labels is None else [
            {"exp_labels": rules[alert]["labels"] | labels, "exp_annotations": rules[alert]["annotations"]}
        ]  # fmt: skip
        return {"eval_time": "7m", "alertname": alert, "exp_alerts": fired}

    cases: list[dict[str, Any]] = []
    for trouble, (changed, values, labels) in {"": ("", "", {}), **TROUBLES}.items():
        series = QUIET | ({changed: values} if changed else {})
        cases.append(
            {
                "interval": EVERY,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [expected(alert, labels if alert == trouble else None) for alert in TROUBLES],
            }
        )
    # Without any node there is no series at all.
    cases.append(
        {"interval": EVERY, "input_series": [], "alert_rule_test": [expected("NodeDown", {"job": "mysetlist"})]}
    )
    tests = tmp_path / "alerts.test.json"
    tests.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": EVERY, "tests": cases}))
    checked = subprocess.run([promtool, "test", "rules", tests], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
