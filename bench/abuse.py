"""How well groups of cheats are found: simulated shows, honest crowds and attacks, through the detector of the service.

Over 400 lines: a short function for each of twelve attacks and eight honest evenings, and what they have in common.

Prints one JSON object: precision and recall of twelve attacks at five strengths, the honest votes that were taken for an attack, the
time until an attack is flagged, and the cost. The same seed gives the same show. docs/abuse.md explains the numbers.

    .venv/bin/python bench/abuse.py --seeds 3            # the seeds that the detector was tuned with
    .venv/bin/python bench/abuse.py --seeds 3 --held-out # seeds that nobody looked at meanwhile
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from server.abuse.ballots import Account, ShowBallots
from server.abuse.detector import find_groups
from server.abuse.known_groups import KnownGroups
from server.abuse.signals import BALLOTS_MIN
from server.abuse.watch import GroupWatch

SHOW = 7
SONGS = list(range(101, 125))
EVENING_MS = 1_800_000
DAY_MS = 86_400_000
START_MS = 1_800_000_000_000
STRENGTHS = (0.01, 0.03, 0.06, 0.12, 0.25)
COUNTED_STRENGTH = 0.03
HELD_OUT = 100_000
PASS_MS = 2_000


@dataclass
class Fan:
    """An account and its casts: (time [ms], [(song, choice)]); choice 0 none, 1 up, 2 down."""

    account: Account
    casts: list[tuple[int, list[tuple[int, int]]]]
    is_honest: bool = True


@dataclass
class Crowd:
    """One evening: honest fans, and tokens of programs and networks that are drawn as in life."""

    random: Random
    fans: list[Fan] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.songs = self.random.sample(SONGS, len(SONGS))
        self._evenings = [START_MS - self.random.randint(3, 60) * DAY_MS for _ in range(5)]

    # ── what people have

    def agent(self, count: int = 400, first: int = 1, power: float = 1.0) -> int:
        """A program, by Zipf's law: with 400 of them the first has a share of 15 %."""
        return first + _zipf(self.random, count, power)

    def subnet(self) -> int:
        """A network: a mobile carrier's, which many share, or one at home."""
        return 1 + _zipf(self.random, 40) if self.random.random() < 0.45 else 10_000 + self.random.randrange(200_000)

    def account(
        self, at_ms: int, agent: int | None = None, subnet: int | None = None, *, is_new: bool = False
    ) -> Account:
        """An account: most are made with the first vote; those of earlier days have lost their tokens."""
        if is_new or self.random.random() < 0.7:
            made_ms = at_ms - self.random.randint(50, 600)
            return Account(made_ms, agent or self.agent(), subnet or self.subnet())
        evening = self.random.choice(self._evenings) + self.random.randrange(5_400_000)
        return Account(self.random.choice([evening, at_ms - self.random.randrange(DAY_MS, 60 * DAY_MS)]), 0, 0)

    # ── what people do

    def ballot(self, size: int | None = None) -> list[tuple[int, int]]:
        """Songs by their popularity; most votes are up."""
        if size is None:
            size = 1 if self.random.random() < 0.25 else min(12, 2 + int(self.random.expovariate(0.35)))
        songs: dict[int, int] = {}
        while len(songs) < size:
            songs[self.songs[_zipf(self.random, len(SONGS), 0.8)]] = 1 if self.random.random() < 0.88 else 2
        return list(songs.items())

    def pauses(self, start_ms: int, votes: list[tuple[int, int]]) -> list[tuple[int, list[tuple[int, int]]]]:
        """The casts of a person: one song after the other, or all at once after a tunnel; some think again."""
        if self.random.random() < 0.05:
            return [(start_ms + 2 * n, [vote]) for n, vote in enumerate(votes)]
        casts, at_ms = [], start_ms
        for vote in votes:
            casts.append((at_ms, [vote]))
            at_ms += round(1000 * self.random.lognormvariate(math.log(2.5), 0.8))
        if self.random.random() < 0.1:
            song, choice = self.random.choice(votes)
            for _ in range(1 if self.random.random() < 0.9 else 3):
                casts.append((at_ms, [(song, 0)]))
                casts.append((at_ms + 900, [(song, choice)]))
                at_ms += 2_000
        return casts

    def person(self, at_ms: int, account: Account | None = None, votes: list[tuple[int, int]] | None = None) -> None:
        """Adds an honest fan."""
        self.fans.append(Fan(account or self.account(at_ms), self.pauses(at_ms, votes or self.ballot())))

    def reaction(self, at_ms: int, median_s: float = 12.0) -> int:
        """When a person follows a call."""
        return at_ms + round(1000 * self.random.lognormvariate(math.log(median_s), 0.7))

    def ordinary(self, count: int) -> None:
        """Fans who come through the evening, more of them at its beginning."""
        for _ in range(count):
            self.person(START_MS + round(EVENING_MS * self.random.random() ** 1.6))


def _zipf(random: Random, count: int, power: float = 1.0) -> int:
    weights = _WEIGHTS.get((count, power))
    if weights is None:
        weights = _WEIGHTS[count, power] = list(itertools.accumulate((n + 1) ** -power for n in range(count)))
    return random.choices(range(count), cum_weights=weights)[0]


_WEIGHTS: dict[tuple[int, float], list[float]] = {}


# ── honest evenings that look like an attack


def _called(crowd: Crowd, count: int, median_s: float, **tokens: int) -> None:
    """Fans who follow a call for one song; half of them vote for nothing else."""
    song, at_ms = crowd.songs[9], START_MS + EVENING_MS // 2
    for _ in range(count):
        when_ms = crowd.reaction(at_ms, median_s)
        more = crowd.ballot() if crowd.random.random() < 0.5 else []
        votes = list({song: 1, **dict(more)}.items())
        crowd.person(when_ms, crowd.account(when_ms, **tokens), votes)  # type: ignore[arg-type]


def ordinary_evening(crowd: Crowd) -> None:
    """Nothing happens."""
    crowd.ordinary(1_000)


def stadium(crowd: Crowd) -> None:
    """Most fans are behind one address, and the band asks for one song."""
    crowd.ordinary(300)
    for _ in range(900):
        at_ms = START_MS + crowd.random.randrange(EVENING_MS)
        crowd.person(at_ms, crowd.account(at_ms, subnet=3))
    _called(crowd, 400, 12.0, subnet=3)


def viral_link(crowd: Crowd) -> None:
    """A link to one song goes round in an app: new accounts, one song, and the programs of one app."""
    crowd.ordinary(900)
    song, at_ms = crowd.songs[12], START_MS + EVENING_MS // 3
    for _ in range(600):
        when_ms = at_ms + round(240_000 * crowd.random.random() ** 2)
        account = crowd.account(when_ms, agent=crowd.agent(60, 5_000, 1.3), is_new=True)
        crowd.person(when_ms, account, [(song, 1), *(crowd.ballot(1) if crowd.random.random() < 0.15 else [])])


def doors(crowd: Crowd) -> None:
    """Voting opens, and most are there at once."""
    crowd.ordinary(400)
    for _ in range(1_000):
        crowd.person(crowd.reaction(START_MS, 4.0))


def radio_call(crowd: Crowd) -> None:
    """A host asks for one song."""
    crowd.ordinary(1_000)
    _called(crowd, 350, 20.0)


def fan_club(crowd: Crowd) -> None:
    """A club copies one list, most in its order, many from the hall where they meet."""
    crowd.ordinary(1_200)
    chosen = crowd.random.sample(SONGS, 6)
    for _ in range(150):
        at_ms = START_MS + EVENING_MS // 4 + crowd.random.randrange(600_000)
        copied = list(chosen) if crowd.random.random() < 0.6 else crowd.random.sample(chosen, 6)
        subnet = 77 if crowd.random.random() < 0.7 else None
        crowd.person(at_ms, crowd.account(at_ms, subnet=subnet), [(song, 1) for song in copied])


def kiosks(crowd: Crowd) -> None:
    """Three tablets at the entrance: one program, one address, one fan after the other."""
    crowd.ordinary(900)
    for tablet in range(3):
        at_ms = START_MS + 5_000 * tablet
        while at_ms < START_MS + EVENING_MS:
            crowd.person(
                at_ms, crowd.account(at_ms, agent=901, subnet=88, is_new=True), crowd.ballot(crowd.random.randint(1, 3))
            )
            at_ms += crowd.random.randint(12_000, 40_000)


def venue_app(crowd: Crowd) -> None:
    """Fans in the hall use its app, so few programs and one address, and follow a call from the stage."""
    crowd.ordinary(400)
    for _ in range(500):
        at_ms = START_MS + crowd.random.randrange(EVENING_MS)
        crowd.person(at_ms, crowd.account(at_ms, agent=crowd.agent(12, 6_000, 1.2), subnet=4))
    song, call_ms = crowd.songs[9], START_MS + EVENING_MS // 2
    for _ in range(300):
        when_ms = crowd.reaction(call_ms, 10.0)
        account = crowd.account(when_ms, agent=crowd.agent(12, 6_000, 1.2), subnet=4, is_new=True)
        crowd.person(when_ms, account, [(song, 1)])


HONEST: dict[str, Callable[[Crowd], None]] = {
    one.__name__: one for one in (ordinary_evening, stadium, viral_link, doors, radio_call, fan_club, kiosks, venue_app)
}

# ── attacks


@dataclass
class Attack:
    """An attack on one evening. count: of its accounts; at_ms: its beginning."""

    crowd: Crowd
    count: int
    at_ms: int

    def bot(
        self, at_ms: int, votes: list[tuple[int, int]], *, agent: int, subnet: int, pause_ms: tuple[int, int] = (0, 0),
        made_ms: int = 0,
    ) -> None:  # fmt: skip
        """Adds an account of the attack. pause_ms: mean and deviation of the pauses; 0: a person's."""
        random = self.crowd.random
        account = Account(made_ms or at_ms - random.randint(40, 200), 0 if made_ms else agent, 0 if made_ms else subnet)
        if pause_ms[0]:
            casts, when_ms = [], at_ms
            for vote in votes:
                casts.append((when_ms, [vote]))
                when_ms += max(1, round(random.gauss(*pause_ms)))
        else:
            casts = self.crowd.pauses(at_ms, votes)
        self.crowd.fans.append(Fan(account, casts, is_honest=False))

    def times(self, over_s: float) -> Iterator[int]:
        """Times at random within a span."""
        for _ in range(self.count):
            yield self.at_ms + round(self.crowd.random.random() * over_s * 1000)

    def anywhere(self) -> int:
        """A network of a proxy service: hardly two accounts share one."""
        return 500_000 + self.crowd.random.randrange(1_000_000)

    @property
    def target(self) -> int:
        """A song that few vote for."""
        return self.crowd.songs[15]


def one_script(a: Attack) -> None:
    """One script, one address: in half a minute."""
    for at in a.times(30):
        a.bot(at, [(a.target, 1)], agent=3, subnet=2_000)


def slow_drip(a: Attack) -> None:
    """One account after the other through the whole evening, at equal distances."""
    left_ms = START_MS + EVENING_MS - a.at_ms
    for n in range(a.count):
        a.bot(
            a.at_ms + round((n + a.crowd.random.gauss(0, 0.1)) * left_ms / a.count),
            [(a.target, 1)],
            agent=2,
            subnet=a.anywhere(),
        )


def botnet(a: Attack) -> None:
    """Many machines, eight programs, one list."""
    votes = [(song, 1) for song in (a.target, *a.crowd.random.sample(SONGS, 3)) if song]
    for at in a.times(120):
        a.bot(at, list(dict(votes).items()), agent=a.crowd.agent(8, 1), subnet=a.anywhere(), pause_ms=(200, 10))


def copied_ballots(a: Attack) -> None:
    """One list of five songs, real programs, a script's pauses."""
    votes = [(song, 1) for song in a.crowd.random.sample(SONGS, 5)]
    for at in a.times(300):
        a.bot(at, votes, agent=a.crowd.agent(), subnet=a.anywhere(), pause_ms=(1_500, 40))


def camouflage(a: Attack) -> None:
    """The target and three other songs at random."""
    for at in a.times(240):
        votes = {a.target: 1, **dict.fromkeys(a.crowd.random.sample(SONGS, 3), 1)}
        a.bot(at, list(votes.items()), agent=a.crowd.random.choice((1, 2, 3)), subnet=a.anywhere(), pause_ms=(700, 25))


def metronome(a: Attack) -> None:
    """One vote every 400 ms, and nothing else in common."""
    for n in range(a.count):
        a.bot(
            a.at_ms + round(400 * (n + a.crowd.random.gauss(0, 0.08))),
            [(a.target, 1)],
            agent=a.crowd.agent(),
            subnet=a.anywhere(),
        )


def old_accounts(a: Attack) -> None:
    """Accounts made in seven minutes, nine days before."""
    made_ms = START_MS - 9 * DAY_MS
    for at in a.times(200):
        a.bot(at, [(a.target, 1)], agent=0, subnet=0, made_ms=made_ms + a.crowd.random.randrange(400_000))


def votes_down(a: Attack) -> None:
    """Against the leader, from three networks."""
    for at in a.times(60):
        a.bot(at, [(a.crowd.songs[0], 2)], agent=5, subnet=2_100 + a.crowd.random.randrange(3))


def undo_and_redo(a: Attack) -> None:
    """The same vote again and again."""
    song = a.target
    for at in a.times(200):
        votes = [(song, choice) for choice in (1, 0, 1, 0, 1)]
        a.bot(at, votes, agent=4, subnet=a.anywhere(), pause_ms=(400, 200))


def one_program(a: Attack) -> None:
    """A program that nobody else has, from everywhere, within ten minutes."""
    for at in a.times(600):
        a.bot(at, [(a.target, 1)], agent=7_777, subnet=a.anywhere())


def few_subnets(a: Attack) -> None:
    """Six networks, two songs, a script's pauses."""
    other = a.crowd.songs[17]
    for at in a.times(180):
        a.bot(
            at,
            [(a.target, 1), (other, 1)],
            agent=a.crowd.agent(50),
            subnet=2_200 + a.crowd.random.randrange(6),
            pause_ms=(900, 30),
        )


def hidden_in_the_rush(a: Attack) -> None:
    """At the beginning, when most come, with three common programs."""
    for _ in range(a.count):
        at = a.crowd.reaction(START_MS, 20.0)
        a.bot(at, [(a.target, 1)], agent=a.crowd.random.choice((1, 2, 3)), subnet=a.anywhere())


def mimic(a: Attack) -> None:
    """Beyond the twelve: real programs, homes all over, a person's times and no other trace than the one song."""
    for at in a.times(900):
        a.bot(at, [(a.target, 1)], agent=a.crowd.agent(), subnet=a.crowd.subnet())


ATTACKS: dict[str, tuple[Callable[[Attack], None], float]] = {  # with the votes of one account
    one.__name__: (one, votes)
    for one, votes in (
        (one_script, 1), (slow_drip, 1), (botnet, 4), (copied_ballots, 5), (camouflage, 4), (metronome, 1), (old_accounts, 1),
        (votes_down, 1), (undo_and_redo, 1), (one_program, 1), (few_subnets, 2), (hidden_in_the_rush, 1),
    )
}  # fmt: skip

# ── one evening


@dataclass
class Outcome:
    """What was found on one evening, in votes; flag_s: from the attack's first group's worth of ballots to its flag."""

    honest: int
    cheating: int
    honest_flagged: int
    cheating_flagged: int
    flag_s: float | None
    pass_s: float
    ballot_passes: int
    kinds: list[str]


def play(
    seed: int, honest: str, attack: Callable[[Attack], None] | None, strength: float, votes_of_one: float
) -> Outcome:
    """Plays an evening, and looks at it as a node does."""
    crowd = Crowd(Random(seed))
    HONEST[honest](crowd)
    honest_votes = sum(_votes(fan) for fan in crowd.fans)
    if attack is not None:
        count = math.ceil(strength / (1 - strength) * honest_votes / votes_of_one)
        attack(Attack(crowd, count, START_MS + round(EVENING_MS * crowd.random.uniform(0.2, 0.6))))
    entries = sorted(
        (at, user, votes) for user, fan in enumerate(crowd.fans, start=1) for at, votes in fan.casts
    )  # fmt: skip
    seen, known = ShowBallots(), KnownGroups()
    flagged: set[int] = set()
    pass_s, ballot_passes = 0.0, 0
    cheats_seen: set[int] = set()
    suspect_ms: int | None = None
    flag_ms: int | None = None
    kinds: set[str] = set()
    next_ms = 0
    for place, (at, user, votes) in enumerate(entries):
        packed = [SHOW, user]
        for song, choice in votes:
            packed += (song, choice)
        seen.take([[*packed, 20_000, 1]], at)
        seen.shows[SHOW][user].account = crowd.fans[user - 1].account
        if not crowd.fans[user - 1].is_honest:
            cheats_seen.add(user)
            if flag_ms is None and (suspect_ms is None or at < suspect_ms + 120_000):
                next_ms = min(next_ms, at + PASS_MS)
            if suspect_ms is None and len(cheats_seen) >= max(BALLOTS_MIN, 0.03 * len(seen.shows[SHOW])):
                suspect_ms = at
        if at < next_ms and place < len(entries) - 1:
            continue
        # Often while an attack is not found yet, else only now and then: an evening then takes seconds, not minutes.
        is_urgent = bool(cheats_seen) and flag_ms is None and (suspect_ms is None or at < suspect_ms + 120_000)
        next_ms = at + (PASS_MS if is_urgent else 60_000)
        ballots = list(seen.shows[SHOW].values())
        began_s = time.process_time()
        groups = find_groups(ballots, at)
        pass_s += time.process_time() - began_s
        ballot_passes += len(ballots)
        for _, group, new in known.place(SHOW, groups):
            flagged.update(new)
            kinds.update(signal.kind for signal in group.signals)
            if flag_ms is None and cheats_seen & set(new):
                flag_ms = at
    fans = dict(enumerate(crowd.fans, start=1))
    cheating = sum(_votes(fan) for fan in fans.values() if not fan.is_honest)
    honest_flagged = sum(_votes(fans[user]) for user in flagged if fans[user].is_honest)
    return Outcome(
        honest_votes, cheating, honest_flagged, sum(_votes(fans[user]) for user in flagged) - honest_flagged,
        None if flag_ms is None or suspect_ms is None else max(0, flag_ms - suspect_ms) / 1000, pass_s, ballot_passes,
        sorted(kinds),
    )  # fmt: skip


def _votes(fan: Fan) -> int:
    last: dict[int, int] = {}
    for _, votes in sorted(fan.casts):
        last.update(votes)
    return sum(choice > 0 for choice in last.values())


def costs_us() -> tuple[float, float]:
    """The cost of one vote [us]: where the writer hands its casts over, and where the watch adds them to the ballots."""
    casts = [[SHOW, user, 101 + n, 1, 20_000, 1] for n in range(4) for user in range(5_000)]
    batches = [casts[start : start + 10] for start in range(0, len(casts), 10)]
    handed, added = math.inf, math.inf
    for _ in range(5):
        nothing: Any = None
        watch = GroupWatch(nothing, nothing)
        began_s = time.process_time()
        for number, batch in enumerate(batches):
            watch.take(START_MS + number, batch)
        handed = min(handed, time.process_time() - began_s)
        seen = ShowBallots()
        began_s = time.process_time()
        for number, batch in enumerate(batches):
            seen.take(batch, START_MS + number)
        added = min(added, time.process_time() - began_s)
    return handed / len(casts) * 1e6, added / len(casts) * 1e6


def main() -> None:
    """Plays all evenings, and prints the numbers."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=2)
    arguments.add_argument("--held-out", action="store_true", help="other seeds than those of the tuning")
    arguments.add_argument("--only", choices=(*ATTACKS, "mimic", *HONEST), help="one attack or honest evening")
    given = arguments.parse_args()
    seeds = range(HELD_OUT if given.held_out else 1, (HELD_OUT if given.held_out else 1) + given.seeds)
    base = itertools.cycle(("ordinary_evening", "doors", "radio_call", "kiosks"))
    attacks: dict[str, dict[str, object]] = {}
    counted: list[Outcome] = []
    everything: list[Outcome] = []
    for name, (attack, votes_of_one) in {**ATTACKS, "mimic": (mimic, 1.0)}.items():
        if given.only not in (None, name):
            continue
        row: dict[str, object] = {}
        for strength in STRENGTHS:
            outcomes = [play(seed, next(base), attack, strength, votes_of_one) for seed in seeds]
            row[f"{strength:.0%}"] = _summary(outcomes)
            everything += outcomes
            if strength >= COUNTED_STRENGTH and name in ATTACKS:
                counted += outcomes
        attacks[name] = row
        print(f"{name}: {json.dumps(row)}", file=sys.stderr, flush=True)
    honest = {}
    for name in HONEST:
        if given.only in (None, name):
            outcomes = [play(seed, name, None, 0.0, 1.0) for seed in seeds]
            everything += outcomes
            honest[name] = {
                "votes": sum(one.honest for one in outcomes), "flagged": sum(one.honest_flagged for one in outcomes),
                "signals": sorted({kind for one in outcomes for kind in one.kinds}),
            }  # fmt: skip
            print(f"{name}: {json.dumps(honest[name])}", file=sys.stderr, flush=True)
    handed, added = costs_us()
    flags = [one.flag_s for one in counted if one.flag_s is not None]
    print(
        json.dumps(
            {
                "seeds": [seeds[0], seeds[-1]],
                "held_out": given.held_out,
                "of_attacks_from": COUNTED_STRENGTH,
                "precision": _ratio(sum(o.cheating_flagged for o in counted), sum(o.cheating_flagged + o.honest_flagged for o in counted)),
                "recall": _ratio(sum(o.cheating_flagged for o in counted), sum(o.cheating for o in counted)),
                "attacks_found": _ratio(sum(o.cheating_flagged > 0.5 * o.cheating for o in counted), len(counted)),
                "honest_votes_flagged": _ratio(sum(o.honest_flagged for o in everything), sum(o.honest for o in everything)),
                "time_to_flag_s": {
                    "median": round(statistics.median(flags), 1),
                    "p90": round(statistics.quantiles(flags, n=10)[-1], 1),
                    "largest": round(max(flags), 1),
                }
                if len(flags) > 1
                else None,
                "writer_us_a_vote": round(handed, 3),
                "watch_us_a_vote": round(added, 2),
                "pass_us_a_ballot": round(sum(o.pass_s for o in everything) / max(1, sum(o.ballot_passes for o in everything)) * 1e6, 2),
                "attacks": attacks,
                "honest": honest,
            },
            indent=1,
        )
    )  # fmt: skip


def _summary(outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "recall": _ratio(sum(o.cheating_flagged for o in outcomes), sum(o.cheating for o in outcomes)),
        "honest_flagged": sum(o.honest_flagged for o in outcomes),
        "flag_s": [o.flag_s for o in outcomes],
        "signals": sorted({kind for o in outcomes for kind in o.kinds}),
    }


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


if __name__ == "__main__":
    main()
