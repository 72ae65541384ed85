"""The intervals of a node's loops; tests set shorter ones."""

from __future__ import annotations

from dataclasses import dataclass

from server.insight.visits import WRITE_EVERY_S
from server.live.fleet import REPLY_TIMEOUT_S, SUMMARY_INTERVAL_S
from server.live.listener import COMPARE_INTERVAL_S
from server.live.presence import EXCHANGE_INTERVAL_S
from server.node.channel_refresher import TICK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Intervals in seconds; docs/limits.md lists those that users notice."""

    tick_s: float = TICK_S
    presence_s: float = EXCHANGE_INTERVAL_S
    visits_s: float = WRITE_EVERY_S
    compare_s: float = COMPARE_INTERVAL_S
    fleet_summary_s: float = SUMMARY_INTERVAL_S
    fleet_reply_timeout_s: float = REPLY_TIMEOUT_S
    chores_after_s: float = 0.0  # from the start to the first chore


DEFAULT_INTERVALS = Intervals()
