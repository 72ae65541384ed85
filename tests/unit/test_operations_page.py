"""docs/operations.md, the dashboard and the alerts name every metric, and no metric that does not exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import REGISTRY

import server.telemetry  # noqa: F401  registers all metrics
from server.admin.verdicts import VERDICTS, verdicts_of
from server.protocol.vitals import FLEET_FACTS, NODE_FACTS, Fact
from tests.support.verdict_files import ALERTS, RUNBOOK, alerts_file, runbook

DOCS = Path(__file__).parents[2] / "docs"
# The suffixes of a histogram's series.
PARTS = ("_bucket", "_count", "_sum")


def metrics() -> dict[str, str]:
    """Our metrics by the name that Prometheus scrapes, each with its type."""
    found = {family.name: family.type for family in REGISTRY.collect() if family.name.startswith("mysetlist_")}
    return {f"{name}_total" if kind == "counter" else name: kind for name, kind in found.items()}


def series() -> set[str]:
    """Every name of a series that an expression may use."""
    kinds = metrics()
    histograms = {f"{name}{part}" for name, kind in kinds.items() if kind == "histogram" for part in PARTS}
    return {name for name, kind in kinds.items() if kind != "histogram"} | histograms


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bmysetlist_\w+", expression))


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("expr"), str):
            yield node["expr"]
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def test_the_page_lists_every_metric() -> None:
    """The page lists each metric with its type, and no metric that is gone."""
    rows = re.findall(r"^\| `(mysetlist_\w+)` \| (\w+)", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert dict(rows) == metrics(), (
        "the rows of docs/operations.md must be the metrics of server/telemetry.py, with their types"
    )


def test_the_dashboard_shows_every_metric() -> None:
    """Each name in an expression exists, and each metric is in a panel."""
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    names = {name for expression in expressions(dashboard) for name in names_in(expression)}
    assert names - series() == set(), "docs/grafana.json shows metrics that do not exist"
    shown = {name.removesuffix(part) for name in names for part in ("", *PARTS)}
    assert metrics().keys() - shown == set(), "no panel in docs/grafana.json shows these metrics"


def test_the_alerts_and_the_runbook_come_from_the_table_of_verdicts() -> None:
    """Both files are as `make verdicts` writes them, so a threshold or an act is changed in one place."""
    assert ALERTS.read_text() == alerts_file(), "run `make verdicts`"
    assert RUNBOOK.read_text() == runbook(), "run `make verdicts`"


def test_a_verdict_compares_a_fact_that_is_measured() -> None:
    """Each has a known fact, a name of its own, and a cause whose blanks can be filled."""
    assert {verdict.fact for verdict in VERDICTS} == NODE_FACTS.keys() | FLEET_FACTS.keys()
    assert len({verdict.name for verdict in VERDICTS}) == len(VERDICTS)
    for verdict in VERDICTS:
        past = verdict.limit * 0.5 if verdict.is_below else verdict.limit * 2 + 1
        ((found, _),) = verdicts_of([Fact(verdict.fact, verdict.limit), Fact(verdict.fact, past, "one", "a detail")])
        assert found is verdict
        assert "{" not in verdicts_of([Fact(verdict.fact, past, "one", "a detail")])[0].cause


def test_the_alerts_use_existing_metrics() -> None:
    """Each rule has an expression over metrics that exist or are recorded, with closed brackets; an alert has a severity and a
    sentence as summary.
    """
    levels, group = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    recorded = {rule["record"] for rule in levels["rules"]}
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) > 5
    for rule in [*levels["rules"], *group["rules"]]:
        names = names_in(rule["expr"])
        of_levels = set(re.findall(r"\bmysetlist:[\w:]+", rule["expr"]))
        assert names or of_levels or rule["expr"].startswith("up{"), rule
        assert names <= series(), rule
        assert of_levels <= recorded, rule
        for opening, closing in ("()", "[]", "{}"):
            assert rule["expr"].count(opening) == rule["expr"].count(closing), rule
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")


def test_a_counter_of_an_alert_exists_before_its_first_event() -> None:
    """`increase` sees nothing of a series that appears with its first event, so the alert would miss it."""
    program = "import server.telemetry; print(server.telemetry.exposition().decode())"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    rules = [rule for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    counted = {
        name
        for rule in rules
        for name in re.findall(r"(?:increase|rate)\((mysetlist_level_\w+)|increase\((mysetlist_\w+)", rule["expr"])
        for name in name
        if name
    }
    assert {"mysetlist_log_resets_total", "mysetlist_level_missed_total"} <= counted
    assert [
        name for name in sorted(counted) if not re.search(rf"^{name}(\{{.*\}})? 0\.0$", done.stdout, re.MULTILINE)
    ] == []
