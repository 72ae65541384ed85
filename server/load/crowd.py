"""The load generator: a crowd that votes, watches, and says at the end whether every vote was counted once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from rich.console import Console

from server.client.http import Show, Tally, Web
from server.errors import SetupError
from server.load.child_process import CrowdPart, RemotePart
from server.load.local_process import Audit, Part, PartOptions, PollSpec
from server.load.report import report, verdict
from server.load.verify import Difference, tally_differences, unsettled_differences

# A cast costs this client 18 µs of one core (1,500 sockets against a server that only counts, 2026-11-23): 15,000 a
# second leave half the core to the frames of watchers.
RATE_PER_PROCESS = 15_000
SOCKETS_PER_PROCESS = 6_000
COUNTS_POLL_S = 0.1

now_s = time.monotonic
Value = TypeVar("Value")
OnStep = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CrowdOptions:
    """What the crowd is to do.

    show: id, or None for all shows whose voting is open; rate_per_s: casts over all voters, 0 = as fast as they are
    acknowledged with `in_flight` unanswered a voter; duration_s: 0 = until stopped; warm_up_s: cast before counting
    begins; ramp_s: until the full rate; natural: bursts and lulls; subscribe: voters watch their shows too;
    shared: others vote on the same shows meanwhile; settle_s: patience with the last answers and pushes;
    processes: 0 = as many as the load needs.
    """

    url: str = "http://127.0.0.1:8080"
    show: int | None = None
    voters: int = 50
    watchers: int = 0
    rate_per_s: float = 20.0
    duration_s: float = 10.0
    verify: bool = False
    seed: int = 1
    votes_per_cast: int = 1
    in_flight: int = 1
    warm_up_s: float = 0.0
    ramp_s: float = 0.0
    natural: bool = False
    subscribe: bool = False
    shared: bool = False
    settle_s: float = 10.0
    processes: int = 0


async def run(
    options: CrowdOptions,
    *,
    stop: asyncio.Event | None = None,
    on_step: OnStep | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Runs a crowd and reports.

    Takes:  stop, ends the casting when set; without one, SIGINT and SIGTERM do;
            on_step, awaited at `open`, `casting`, `counting`, `counted`, `settled` and `audited`;
            show_progress, a line on stderr while it is a terminal
    Gives:  the report; `ok` is False when `verify` found a difference
    Raises: SetupError: nothing to vote on; Unreachable: no server; PartFailed: a process of the crowd died
    Cancel: every connection is closed and every process ended
    """
    _check(options)
    signals = _signals if stop is None else nullcontext
    stop = stop or asyncio.Event()
    web = Web(options.url)
    try:
        with signals(stop):
            shows = await _shows(web, options.show)
            async with _parts(options, shows) as parts, _progress(parts, show_progress):
                run_ = _Run(options, web=web, shows=shows, parts=parts, stop=stop, on_step=on_step or _nothing)
                return await run_.all_steps()
    finally:
        await web.close()


class _Run:
    """The steps of one run; each waits for all parts."""

    def __init__(
        self,
        options: CrowdOptions,
        *,
        web: Web,
        shows: dict[int, Show],
        parts: Sequence[CrowdPart],
        stop: asyncio.Event,
        on_step: OnStep,
    ) -> None:
        self._options = options
        self._web = web
        self._shows = shows
        self._parts = parts
        self._stop = stop
        self._on_step = on_step

    async def all_steps(self) -> dict[str, Any]:
        options = self._options
        await self._all(part.open() for part in self._parts)
        await self._on_step("open")
        before = {show_id: show.tally() for show_id, show in (await self._web.shows(self._shows)).items()}
        await self._all(part.begin() for part in self._parts)
        await self._on_step("casting")
        interrupted = False
        if options.warm_up_s:
            interrupted = await _stopped_within(self._stop, options.warm_up_s)
            await self._all(part.warmed_up() for part in self._parts)
        await self._on_step("counting")
        began_s = now_s()
        if not interrupted:
            interrupted = await _stopped_within(self._stop, options.duration_s or None)
        ended_s = now_s()
        # Taken before the last casts are waited for: they belong to no second of the counted time.
        results = await self._all(part.result() for part in self._parts)
        await self._on_step("counted")
        await self._all(part.settle(options.settle_s) for part in self._parts)
        await self._on_step("settled")
        verified = convergence_ms = None
        if options.verify:
            verified, convergence_ms = await self._verify(before)
        settled = await self._all(part.result() for part in self._parts)
        return report(
            asdict(options) | {"processes": len(self._parts)},
            _counted_until_end(results, settled),
            shows=len(self._shows),
            began_s=began_s,
            ended_s=ended_s,
            interrupted=interrupted,
            convergence_ms=convergence_ms,
            verified=verified,
        )

    async def _verify(self, before: dict[int, Tally]) -> tuple[dict[str, Any], float | None]:
        options = self._options
        audits: list[Audit] = await self._all(part.audit() for part in self._parts)
        await self._on_step("audited")
        moved = _sum([audit.moved for audit in audits])
        deadline_s = now_s() + options.settle_s
        while True:
            after = {show_id: show.tally() for show_id, show in (await self._web.shows(self._shows)).items()}
            wrong = tally_differences(before, after, moved, shared=options.shared)
            if not wrong or now_s() >= deadline_s:
                break
            await asyncio.sleep(COUNTS_POLL_S)
        looks = await self._all(part.look(after, options.settle_s) for part in self._parts)
        unanswered = sum(audit.unanswered for audit in audits)
        found: list[Difference] = unsettled_differences(unanswered, sum(audit.unconfirmed for audit in audits))
        found += wrong
        found += [difference for audit in audits for difference in audit.differences]
        found += [difference for look in looks for difference in look.differences]
        views = sum(look.views for look in looks)
        convergence_ms = None
        if views and not any(look.differences for look in looks):
            results = await self._all(part.result() for part in self._parts)
            last_answer_s = max(result["counts"]["last_answer_s"] for result in results)
            final_s = max(look.final_s for look in looks)
            convergence_ms = round(max(0.0, final_s - last_answer_s) * 1000, 1)
        ballots = sum(audit.ballots for audit in audits)
        return verdict(found, ballots=ballots, views=views, unanswered=unanswered), convergence_ms

    async def _all(self, steps: Iterator[Awaitable[Value]]) -> list[Value]:
        return list(await asyncio.gather(*steps))


def _counted_until_end(results: Sequence[dict[str, Any]], settled: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The counts of the counted time, with what only shows later: errors, confirmations, who was reached when."""
    whole: list[dict[str, Any]] = []
    for result, later in zip(results, settled, strict=True):
        counts = result["counts"] | {
            name: later["counts"][name] for name in ("errors", "confirmed", "orphaned", "refused", "backward")
        }
        whole.append(result | {"counts": counts, "timelines": later["timelines"]})
    return whole


def plan_parts(options: CrowdOptions, polls: list[PollSpec], cores: int) -> list[PartOptions]:
    """Who does what: voters, watchers and rate split evenly over the processes.

    Takes:  cores, of this machine; more processes than that never help
    Gives:  len 1..max(cores, options.processes)
    """
    count = options.processes
    if count == 0:
        sockets = options.voters + options.watchers
        wanted = max(-(-int(options.rate_per_s) // RATE_PER_PROCESS), -(-sockets // SOCKETS_PER_PROCESS), 1)
        count = min(wanted, cores)
    parts: list[PartOptions] = []
    first_voter = first_watcher = 0
    for index in range(count):
        voters = options.voters // count + (index < options.voters % count)
        watchers = options.watchers // count + (index < options.watchers % count)
        share = voters / options.voters if options.voters else 0.0
        parts.append(
            PartOptions(
                url=options.url,
                polls=polls,
                seed=options.seed,
                voters=voters,
                first_voter=first_voter,
                watchers=watchers,
                first_watcher=first_watcher,
                rate_per_s=options.rate_per_s * share,
                in_flight_max=options.in_flight,
                votes_per_cast=options.votes_per_cast,
                ramp_s=options.ramp_s,
                natural=options.natural,
                subscribe=options.subscribe,
            )
        )
        first_voter += voters
        first_watcher += watchers
    return parts


def _check(options: CrowdOptions) -> None:
    if options.voters < 0 or options.watchers < 0 or options.voters + options.watchers == 0:
        raise SetupError("A crowd needs at least one voter or watcher.")
    if options.in_flight < 1 or options.votes_per_cast < 1 or options.processes < 0:
        raise SetupError("--in-flight and --votes-per-cast are at least 1, --processes at least 0.")
    if min(options.rate_per_s, options.duration_s, options.warm_up_s, options.ramp_s, options.settle_s) < 0:
        raise SetupError("Rates and times cannot be negative.")


async def _shows(web: Web, show: int | None) -> dict[int, Show]:
    ids = [show] if show is not None else await web.open_shows()
    shows = await web.shows(ids)
    if not any(found.tally() for found in shows.values()):
        raise SetupError("No show with songs has open voting." if show is None else f"Show {show} has no songs.")
    return {show_id: found for show_id, found in shows.items() if found.tally()}


@asynccontextmanager
async def _parts(options: CrowdOptions, shows: dict[int, Show]) -> AsyncIterator[list[CrowdPart]]:
    polls = [
        PollSpec(show.id, [song.id for setlist in show.predicted() for song in setlist.songs], show.votes_per_user_max)
        for show in shows.values()
    ]
    planned = plan_parts(options, polls, os.cpu_count() or 1)
    parts: list[CrowdPart] = [Part(planned[0])] if len(planned) == 1 else [RemotePart(part) for part in planned]
    try:
        yield parts
    finally:
        await asyncio.gather(*(part.close() for part in parts))


@asynccontextmanager
async def _progress(parts: Sequence[CrowdPart], is_wanted: bool) -> AsyncIterator[None]:
    """One line on stderr while the crowd is at work, when somebody looks."""
    if not (is_wanted and sys.stderr.isatty()):
        yield
        return
    with Console(stderr=True).status("connecting…") as status:

        async def tell() -> None:
            acknowledged = 0
            while True:
                await asyncio.sleep(1.0)
                total: dict[str, int] = {}
                for part in parts:
                    for name, count in part.progress().items():
                        total[name] = total.get(name, 0) + count
                rate = max(0, total.get("acknowledged", 0) - acknowledged)
                acknowledged = total.get("acknowledged", 0)
                status.update(
                    f"{total.get('connected', 0)} connected · {rate:,} casts/s · {acknowledged:,} acknowledged · "
                    f"{total.get('frames', 0):,} pushes · {total.get('errors', 0)} errors"
                )

        telling = asyncio.create_task(tell(), name="crowd.progress")
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.wait([telling])


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the casting; the report still comes. A second one ends the program as usual."""
    loop = asyncio.get_running_loop()

    def stopped(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    installed: list[int] = []
    try:
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            loop.add_signal_handler(number, stopped, number)
            installed.append(number)
    except (ValueError, RuntimeError):
        # Not the main thread: whoever runs us there hands in `stop`.
        installed.clear()
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)


async def _stopped_within(stop: asyncio.Event, seconds: float | None) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


async def _nothing(_: str) -> None:
    pass


def _sum(parts: Sequence[dict[int, dict[int, tuple[int, int]]]]) -> dict[int, dict[int, tuple[int, int]]]:
    total: dict[int, dict[int, tuple[int, int]]] = {}
    for part in parts:
        for show_id, songs in part.items():
            show = total.setdefault(show_id, {})
            for song, (up, down) in songs.items():
                old = show.get(song, (0, 0))
                show[song] = (old[0] + up, old[1] + down)
    return total
