"""seating: the subscribers whose pushes the kernel sends in bulk, in rows that are ready before the push.

Owns:      cohorts (the subscribers of exactly the same channels) and the seats in them
Threads:   event loop only; every method is synchronous
Never:     seats a subscriber with bytes waiting in its transport, a closing one, one that has skipped a state
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from server.live.channel import Cohort, Subscriber
from server.live.io_uring import IoUring, IoUringUnavailable

log = structlog.get_logger()


class Seating:
    """All cohorts of a node, and the subscribers without a seat.

    unseated: with at least one channel, and no seat; served: gave up their seat during the push under way, after their turn
    """

    def __init__(self, uring: IoUring) -> None:
        self.uring = uring
        self._cohorts: dict[frozenset[str], Cohort] = {}
        self._by_channel: dict[str, set[Cohort]] = {}
        self._by_slot: list[Subscriber | None] = []
        self.unseated: set[Subscriber] = set()
        self.served: set[Subscriber] = set()

    @classmethod
    def open(cls) -> Seating | None:
        """The seating of a node; None: this system cannot send in bulk, and the log says why."""
        try:
            return cls(IoUring())
        except IoUringUnavailable as error:
            log.info("pushes.one_by_one", reason=str(error))
            return None

    def close(self) -> None:
        """Lets go of all sockets."""
        self.uring.close()

    def cohorts_of(self, channel: str) -> Iterator[Cohort]:
        """The cohorts that watch a channel."""
        return iter(self._by_channel.get(channel, ()))

    def at_slot(self, slot: int) -> Subscriber:
        """The subscriber whose socket has a slot."""
        subscriber = self._by_slot[slot]
        assert subscriber is not None
        return subscriber

    def seat(self, subscriber: Subscriber) -> None:
        """Seats a subscriber with the others of its channels, unless the kernel's table of sockets is full.

        The transport must be open and hold no bytes, and the subscriber must have every push so far.
        """
        if subscriber.slot < 0:
            slot = self.uring.add(subscriber.descriptor)
            if slot is None:
                return
            subscriber.slot = slot
            if slot == len(self._by_slot):
                self._by_slot.append(subscriber)
            self._by_slot[slot] = subscriber
        channels = frozenset(subscriber.channels)
        cohort = self._cohorts.get(channels)
        if cohort is None:
            cohort = self._cohorts[channels] = Cohort(channels)
            for channel in channels:
                self._by_channel.setdefault(channel, set()).add(cohort)
        cohort.seat(subscriber)
        self.unseated.discard(subscriber)

    def unseat(self, subscriber: Subscriber) -> None:
        """Serves a subscriber by itself from now on, in the push under way too if that has not come to it."""
        self.unseated.add(subscriber)
        cohort = subscriber.cohort
        if cohort is None:
            return
        if subscriber.seat < cohort.begun_count:
            self.served.add(subscriber)
        else:
            cohort.missed_count += 1
        cohort.clear(subscriber)
        if not len(cohort):
            del self._cohorts[cohort.channels]
            for channel in cohort.channels:
                cohorts = self._by_channel[channel]
                cohorts.discard(cohort)
                if not cohorts:
                    del self._by_channel[channel]

    def forget(self, subscriber: Subscriber) -> None:
        """Takes a subscriber without channels out, and lets go of its socket."""
        self.unseat(subscriber)
        self.unseated.discard(subscriber)
        if subscriber.slot >= 0:
            self._by_slot[subscriber.slot] = None
            self.uring.remove(subscriber.slot)
            subscriber.slot = -1
