"""Runs a crowd that votes and watches, and reports at the end whether every vote is counted once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from rich.console import Console

from server.client.http import HttpClient, Show, Tally
from server.errors import BadArgument, SetupError
from server.load.child_process import ChildProcess
from server.load.local_process import LocalProcess
from server.load.process import BallotAudit, CrowdProcess, PollSpec, ProcessOptions
from server.load.report import report, verdict
from server.load.requests import fetch_shows
from server.load.verify import Difference, Tallies, tally_differences, unconfirmed_differences

# A cast costs this client 18 µs of one core (1,500 sockets against a server that only counts, 2026-11-23): 15,000 a
# second leave half the core for the pushes to watchers.
RATE_PER_PROCESS = 15_000
SOCKETS_PER_PROCESS = 6_000
COUNTS_POLL_S = 0.1

now_s = time.monotonic
Value = TypeVar("Value")
OnStep = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CrowdOptions:
    """The options of a crowd.

    show: id, None: all shows with open voting; rate_per_s: casts of all voters, 0: as fast as they are acknowledged, with
    `in_flight` unanswered casts a voter; duration_s: 0: until stopped; warm_up_s: casting before the measured time;
    ramp_s: the rate rises for so long; natural: bursts and lulls; subscribe: voters also watch their shows; shared:
    other clients vote on the same shows; settle_s: time for the last answers and pushes; processes: 0: as many as the
    load needs.
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
    """Runs a crowd and gives its report.

    Takes:  stop, ends the casting when set; None: SIGINT and SIGTERM end it, once everybody is connected;
            on_step, awaited at `open`, `casting`, `counting`, `counted`, `settled` and `audited`;
            show_progress, a line on stderr if that is a terminal
    Gives:  the report; `ok` is False if `verify` found a difference
    Raises: SetupError: an option is wrong, or no show can be voted on; Unreachable: no answer of the server;
            ProcessFailed: a child process of the crowd died
    Cancel: every connection is closed and every child process ended
    """
    _check(options)
    signals = _stop_on_signals if stop is None else nullcontext
    stop = stop or asyncio.Event()
    http = HttpClient(options.url)
    try:
        shows = await votable_shows(http, options.show)
        async with _processes(options, shows) as processes, _progress_line(processes, show_progress):
            crowd = _Crowd(options, http=http, shows=shows, processes=processes, stop=stop, on_step=on_step or _nothing)
            await crowd.open()
            # Until here there is nothing to report, so a signal ends the command as usual.
            with signals(stop):
                return await crowd.run()
    finally:
        await http.close()


class _Crowd:
    """One run of a crowd, step by step. Each step waits for all processes."""

    def __init__(
        self,
        options: CrowdOptions,
        *,
        http: HttpClient,
        shows: dict[int, Show],
        processes: Sequence[CrowdProcess],
        stop: asyncio.Event,
        on_step: OnStep,
    ) -> None:
        self._options = options
        self._http = http
        self._shows = shows
        self._processes = processes
        self._stop = stop
        self._on_step = on_step

    async def open(self) -> None:
        """Signs in and connects everybody, however long the server refuses them."""
        await self._all(process.open() for process in self._processes)
        await self._on_step("open")

    async def run(self) -> dict[str, Any]:
        """Casts, and gives the report."""
        options = self._options
        before = await tallies_of(self._http, self._shows) if options.verify else {}
        await self._all(process.start_casting() for process in self._processes)
        await self._on_step("casting")
        interrupted = False
        if options.warm_up_s:
            interrupted = await _is_stopped_within(self._stop, options.warm_up_s)
            await self._all(process.clear_counts() for process in self._processes)
        await self._on_step("counting")
        began_s = now_s()
        if not interrupted:
            interrupted = await _is_stopped_within(self._stop, options.duration_s or None)
        ended_s = now_s()
        # Read before the last casts are answered: their answers are outside the measured time.
        results = await self._all(process.result() for process in self._processes)
        await self._on_step("counted")
        await self._all(process.settle(options.settle_s) for process in self._processes)
        await self._on_step("settled")
        verified = convergence_ms = None
        if options.verify:
            verified, convergence_ms = await self._verify(before)
        settled = await self._all(process.result() for process in self._processes)
        return report(
            asdict(options) | {"processes": len(self._processes)},
            _with_late_counts(results, settled),
            shows=len(self._shows),
            began_s=began_s,
            ended_s=ended_s,
            interrupted=interrupted,
            convergence_ms=convergence_ms,
            verified=verified,
        )

    async def _verify(self, before: dict[int, Tally]) -> tuple[dict[str, Any], float | None]:
        """Compares ballots, tallies and views.

        Gives:  the `verify` part of the report; the time from the last answer to the last view's final push [ms], None
                without views, or when a view is wrong
        """
        options = self._options
        audits: list[BallotAudit] = await self._all(process.audit_ballots() for process in self._processes)
        await self._on_step("audited")
        changes = _sum([audit.changes for audit in audits])
        after, wrong = await compare_tallies(
            self._http, before, changes, shared=options.shared, timeout_s=options.settle_s
        )
        view_audits = await self._all(process.audit_views(after, options.settle_s) for process in self._processes)
        unanswered = sum(audit.unanswered for audit in audits)
        found: list[Difference] = unconfirmed_differences(unanswered, sum(audit.unconfirmed for audit in audits))
        found += wrong
        found += [difference for audit in audits for difference in audit.differences]
        found += [difference for audit in view_audits for difference in audit.differences]
        views = sum(audit.views for audit in view_audits)
        convergence_ms = None
        if views and not any(audit.differences for audit in view_audits):
            results = await self._all(process.result() for process in self._processes)
            last_answer_s = max(result["counts"]["last_answer_s"] for result in results)
            final_s = max(audit.final_s for audit in view_audits)
            convergence_ms = round(max(0.0, final_s - last_answer_s) * 1000, 1)
        ballots = sum(audit.ballots for audit in audits)
        return verdict(found, ballots=ballots, views=views, unanswered=unanswered), convergence_ms

    async def _all(self, steps: Iterator[Awaitable[Value]]) -> list[Value]:
        return list(await asyncio.gather(*steps))


async def tallies_of(http: HttpClient, shows: Iterable[int]) -> dict[int, Tally]:
    """The counts of these shows now."""
    return {show_id: show.tally() for show_id, show in (await fetch_shows(http, shows)).items()}


async def compare_tallies(
    http: HttpClient, before: Mapping[int, Tally], changes: Tallies, *, shared: bool, timeout_s: float
) -> tuple[dict[int, Tally], list[Difference]]:
    """Compares the counts of these shows with those before and the crowd's changes, until they agree, at most `timeout_s`.

    Gives:  the counts, and what is wrong with them
    """
    deadline_s = now_s() + timeout_s
    while True:
        after = await tallies_of(http, before)
        wrong = tally_differences(before, after, changes, shared=shared)
        if not wrong or now_s() >= deadline_s:
            return after, wrong
        await asyncio.sleep(COUNTS_POLL_S)


def _with_late_counts(results: Sequence[dict[str, Any]], settled: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of the measured time, with the counts that are known only at the end: errors, confirmations, pushes."""
    whole: list[dict[str, Any]] = []
    for result, later in zip(results, settled, strict=True):
        counts = result["counts"] | {
            name: later["counts"][name] for name in ("errors", "confirmed", "cut_off", "refused", "backward")
        }
        whole.append(result | {"counts": counts, "timelines": later["timelines"]})
    return whole


def plan_processes(options: CrowdOptions, polls: list[PollSpec], cores: int) -> list[ProcessOptions]:
    """Splits voters, watchers and rate evenly over processes.

    Takes:  cores, of this machine; more processes than cores never help
    Gives:  the options of 1..max(cores, options.processes) processes
    """
    count = options.processes
    if count == 0:
        sockets = options.voters + options.watchers
        wanted = max(-(-int(options.rate_per_s) // RATE_PER_PROCESS), -(-sockets // SOCKETS_PER_PROCESS), 1)
        count = min(wanted, cores)
    planned: list[ProcessOptions] = []
    first_voter = first_watcher = 0
    for index in range(count):
        voters = options.voters // count + (index < options.voters % count)
        watchers = options.watchers // count + (index < options.watchers % count)
        share = voters / options.voters if options.voters else 0.0
        planned.append(
            ProcessOptions(
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
    return planned


def _check(options: CrowdOptions) -> None:
    if options.voters < 0 or options.watchers < 0 or options.voters + options.watchers == 0:
        raise BadArgument("A crowd needs at least one voter or watcher.")
    if options.in_flight < 1 or options.votes_per_cast < 1 or options.processes < 0:
        raise BadArgument("--in-flight and --votes-per-cast are at least 1, --processes at least 0.")
    if min(options.rate_per_s, options.duration_s, options.warm_up_s, options.ramp_s, options.settle_s) < 0:
        raise BadArgument("Rates and times cannot be negative.")


async def votable_shows(http: HttpClient, show: int | None) -> dict[int, Show]:
    """The shows to vote on.

    Raises: SetupError: none has a song that takes votes
    """
    ids = [show] if show is not None else await http.open_shows()
    shows = {show_id: found for show_id, found in (await fetch_shows(http, ids)).items() if _votable(found)}
    if not shows:
        of = "No open show has" if show is None else f"Show {show} does not have"
        raise SetupError(f"{of} a song that takes votes. A played song takes none.")
    return shows


def _votable(show: Show) -> list[int]:
    """The songs that take votes: a played song takes none."""
    return [song.id for setlist in show.predicted() for song in setlist.songs if song.played_at is None]


def polls_of(shows: Mapping[int, Show]) -> list[PollSpec]:
    """What a crowd votes on in these shows."""
    return [PollSpec(show.id, _votable(show), show.votes_per_user_max) for show in shows.values()]


@asynccontextmanager
async def _processes(options: CrowdOptions, shows: dict[int, Show]) -> AsyncIterator[list[CrowdProcess]]:
    """The processes of a crowd, not yet open: this process alone if it is enough, else only child processes."""
    planned = plan_processes(options, polls_of(shows), os.cpu_count() or 1)
    processes: list[CrowdProcess] = (
        [LocalProcess(planned[0])] if len(planned) == 1 else [ChildProcess(one) for one in planned]
    )
    try:
        yield processes
    finally:
        await asyncio.gather(*(process.close() for process in processes))


@asynccontextmanager
async def _progress_line(processes: Sequence[CrowdProcess], is_wanted: bool) -> AsyncIterator[None]:
    """Shows a line on stderr while the crowd runs, if stderr is a terminal."""
    if not (is_wanted and sys.stderr.isatty()):
        yield
        return
    with Console(stderr=True).status("connecting…") as status:

        async def update_every_second() -> None:
            acknowledged = 0
            while True:
                await asyncio.sleep(1.0)
                total: dict[str, int] = {}
                for process in processes:
                    for name, count in process.progress().items():
                        total[name] = total.get(name, 0) + count
                rate = max(0, total.get("acknowledged", 0) - acknowledged)
                acknowledged = total.get("acknowledged", 0)
                status.update(
                    f"{total.get('connected', 0)} connected · {rate:,} casts/s · {acknowledged:,} acknowledged · "
                    f"{total.get('frames', 0):,} pushes · {total.get('errors', 0)} errors"
                )

        updating = asyncio.create_task(update_every_second(), name="crowd.progress")
        try:
            yield
        finally:
            updating.cancel()
            await asyncio.wait([updating])


@contextmanager
def _stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """On SIGINT or SIGTERM, ends the casting; the crowd still reports. A second signal ends the program as usual."""
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
        # Not in the main thread: signal handlers are impossible there, and the caller passes `stop`.
        installed.clear()
    try:
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)


async def _is_stopped_within(stop: asyncio.Event, seconds: float | None) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True


async def _nothing(_: str) -> None:
    pass


def _sum(changes: Sequence[dict[int, dict[int, tuple[int, int]]]]) -> dict[int, dict[int, tuple[int, int]]]:
    total: dict[int, dict[int, tuple[int, int]]] = {}
    for by_show in changes:
        for show_id, songs in by_show.items():
            show = total.setdefault(show_id, {})
            for song, (up, down) in songs.items():
                old = show.get(song, (0, 0))
                show[song] = (old[0] + up, old[1] + down)
    return total
