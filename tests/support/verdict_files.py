"""Writes docs/alerts.yml and docs/runbook.md from the table of verdicts. `make verdicts` runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from server.admin.verdicts import VERDICTS, Verdict
from server.protocol.levels import BURN_PAIRS, WINDOWS_S

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = DOCS / "alerts.yml"
RUNBOOK = DOCS / "runbook.md"

_HEAD = """\
# Rules for Prometheus. The thresholds leave a margin above the figures in docs/speed.md.
# `make verdicts` writes this file from server/admin/verdicts.py.
groups:
"""
# The objectives are settings of the nodes, so the rules read them from metrics.
_BURN = """\
      - record: mysetlist:burn:{window}
        expr: |
          sum by (level) (rate(mysetlist_level_missed_total[{window}]))
            / sum by (level) (rate(mysetlist_level_events_total[{window}]))
            / max by (level) (mysetlist_level_budget)
"""
# Nodes miss the same minute together, so the worst node's minutes are the least that it lasted.
_BURNS = """\
      - record: mysetlist:burns:{long}
        expr: |
          mysetlist:burn:{long} > {limit:.12g} and mysetlist:burn:{short} > {limit:.12g}
            and sum by (level) (increase(mysetlist_level_missed_total[{long}])) >= {missed_min}
            and max by (level) (increase(mysetlist_level_missed_minutes_total[{long}])) >= {minutes_min}
"""
_RUNBOOK_HEAD = """\
# Runbook

What is wrong, and what to do. The page Now of the console (`/admin`), the alerts ([alerts.yml](alerts.yml)) and this page are one table:
`server/admin/verdicts.py`, from which `make verdicts` writes this file. The page Now names the first verdict of this order that holds.
`server/protocol/vitals.py` says what each measure is.
"""


def alerts_file() -> str:
    """The rules of all verdicts that have an expression, and what they record of the service levels."""
    burns = [_BURN.format(window=window) for window in WINDOWS_S]
    burns += [_BURNS.format(**pair._asdict()) for pair in BURN_PAIRS]
    alerts = [_rule(verdict) for verdict in VERDICTS if verdict.expr is not None]
    return _HEAD + _group("mysetlist-levels", burns) + _group("mysetlist", alerts)


def _group(name: str, rules: list[str]) -> str:
    return f"  - name: {name}\n    rules:\n" + "".join(rules)


def _rule(verdict: Verdict) -> str:
    assert verdict.expr is not None
    lines = [f"- alert: {verdict.name}"]
    expr = verdict.expr.format(limit=f"{verdict.limit:.12g}")
    lines += ["  expr: |", *(f"    {line}" for line in expr.splitlines())] if "\n" in expr else [f"  expr: {expr}"]
    lines += [f"  for: {verdict.lasts}"] if verdict.lasts else []
    lines += [f"  labels: {{severity: {verdict.severity}}}"]
    summary = f"{verdict.symptom} {verdict.act}"
    lines += [f"  annotations: {{summary: {json.dumps(summary, ensure_ascii=False)}}}"]
    return "".join(f"      {line}\n" for line in lines)


def runbook() -> str:
    """The page for whoever is called at night: a part for each verdict, in the order of the table."""
    return _RUNBOOK_HEAD + "".join(map(_part, VERDICTS))


def _part(verdict: Verdict) -> str:
    cause = re.sub(r"\{(\w+)\}", r"…", verdict.cause).removesuffix(" …").replace("…: ….", "….")
    sign = "<" if verdict.is_below else ">"
    lines = [
        f"\n## {verdict.name}",
        f"{verdict.symptom} ({verdict.severity})",
        "",
        f"- **Do:** {verdict.act}",
        *([f"- The page says: {cause}"] if cause.strip("….") else []),
        f"- It holds when `{verdict.fact}` {sign} {verdict.limit:.12g}{'' if verdict.expr else '. There is no alert'}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    ALERTS.write_text(alerts_file())
    RUNBOOK.write_text(runbook())
