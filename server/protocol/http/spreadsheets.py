"""CSV answers that a spreadsheet opens without running a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV Injection).
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A header of these names, then one line for each row. No cell begins a formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def harmless(value: Any) -> Any:
    """A value that begins no formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_SIGNS) else value
