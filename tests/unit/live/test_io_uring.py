"""One call to the kernel for many sockets, on real sockets; and systems that do not have it."""

from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from server.live import io_uring
from server.live.io_uring import ENTRIES_MAX, IoUring, IoUringUnavailable, Sends
from server.live.pusher import SLICE_SOCKETS


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes sockets at the end."""
    with ExitStack() as stack:
        yield stack


def pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    return stack.enter_context(ours), stack.enter_context(theirs)


def read(theirs: socket.socket) -> bytes:
    """All that has come."""
    found = bytearray()
    with suppress(BlockingIOError):
        while part := theirs.recv(1 << 20):
            found += part
    return bytes(found)


def test_one_call_sends_to_all_also_across_the_end_of_the_queue(uring: IoUring, stack: ExitStack) -> None:
    """Every socket has every frame once and in order, and nothing is reported."""
    pairs = [pair(stack) for _ in range(300)]
    sends = Sends()
    for ours, _ in pairs:
        slot = uring.add(ours.fileno())
        assert slot is not None
        sends.append(slot)
    for frame in (b"one,", b"two,", b"three"):
        sends.load(frame)
        uring.queue(sends.rows(0, len(pairs)))
        assert uring.submit() == []
    assert {read(theirs) for _, theirs in pairs} == {b"one,two,three"}


def test_a_short_send_and_a_full_socket_are_reported(uring: IoUring, stack: ExitStack) -> None:
    """The result is the number of bytes that the socket took; the sockets behind it get their frame."""
    slow, slow_peer = pair(stack)
    quick, quick_peer = pair(stack)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sends = Sends()
    slots = [uring.add(one.fileno()) for one in (slow, quick)]
    for slot in slots:
        assert slot is not None
        sends.append(slot)
    frame = bytes(range(256)) * 200
    sends.load(frame)
    uring.queue(sends.rows(0, 2))
    [(slot, taken)] = uring.submit()
    assert (slot, read(quick_peer)) == (slots[0], frame)
    assert 0 < taken < len(frame)
    uring.queue(sends.rows(0, 2))
    assert uring.submit() == [(slots[0], -errno.EAGAIN)]
    assert read(slow_peer) == frame[:taken]


def test_a_cleared_row_sends_nothing(uring: IoUring, stack: ExitStack) -> None:
    """Also when it is cleared after the frame was loaded, and it is no failure."""
    ours, theirs = pair(stack)
    slot = uring.add(ours.fileno())
    assert slot is not None
    sends = Sends()
    for _ in range(3):
        sends.append(slot)
    sends.load(b"x")
    sends.clear(1)
    uring.queue(sends.rows(0, 3))
    assert uring.submit() == []
    assert read(theirs) == b"xx"


def test_a_closed_descriptor_is_never_written_to(uring: IoUring, stack: ExitStack) -> None:
    """A slot belongs to its socket for as long as it is taken, whoever gets the number of the descriptor after it."""
    ours, theirs = socket.socketpair()
    slot = uring.add(ours.fileno())
    assert slot is not None
    number = ours.fileno()
    ours.close()
    other, other_peer = pair(stack)
    assert number in (other.fileno(), other_peer.fileno())
    other.setblocking(False)
    sends = Sends()
    sends.append(slot)
    sends.load(b"secret")
    uring.queue(sends.rows(0, 1))
    assert uring.submit() == []
    assert (theirs.recv(100), read(other_peer), read(other)) == (b"secret", b"", b"")
    uring.remove(slot)
    assert theirs.recv(100) == b"", "the peer does not see that the connection has ended"
    uring.queue(sends.rows(0, 1))
    assert uring.submit() == [(slot, -errno.EBADF)]
    assert uring.add(other.fileno()) == slot
    theirs.close()


def test_a_full_table_takes_no_more(uring: IoUring, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none whose descriptor is not open; a slot that is given back can be had again."""
    ours, _ = pair(stack)
    assert uring.add(1 << 20) is None
    slot = uring.add(ours.fileno())
    assert slot is not None
    monkeypatch.setattr(uring, "_slot_count", slot + 1)
    assert uring.add(ours.fileno()) is None
    uring.remove(slot)
    assert uring.add(ours.fileno()) == slot


@pytest.mark.parametrize("taken", [0, 2, -errno.ENOMEM])
def test_what_the_kernel_does_not_take_is_reported(
    uring: IoUring, stack: ExitStack, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    """These sends count as failed, and no later call makes them."""
    pairs = [pair(stack) for _ in range(3)]
    sends = Sends()
    slots = [uring.add(ours.fileno()) for ours, _ in pairs]
    for slot in slots:
        assert slot is not None
        sends.append(slot)
    sends.load(b"x")
    syscall = io_uring._syscall

    def takes_few(number: int, descriptor: int, count: int, *more: int) -> int:
        if taken > 0:
            return int(syscall(number, descriptor, taken, *more))
        ctypes.set_errno(-taken)
        return -1 if taken else 0

    uring.queue(sends.rows(0, 3))
    with monkeypatch.context() as patch:
        patch.setattr(io_uring, "_syscall", takes_few)
        failed = uring.submit()
    wrong = taken if taken < 0 else -errno.EAGAIN
    assert failed == [(slot, wrong) for slot in slots[max(taken, 0) :]]
    uring.queue(sends.rows(0, 1))
    assert uring.submit() == []
    assert [read(theirs) for _, theirs in pairs] == [b"x" * (1 + (taken > 0)), b"x" * (taken > 0), b""]


def test_a_cleared_row_that_the_kernel_does_not_take_is_no_failed_send(
    uring: IoUring, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot may be another socket's by now."""
    ours, _ = pair(stack)
    slot = uring.add(ours.fileno())
    assert slot is not None
    sends = Sends()
    for _ in range(3):
        sends.append(slot)
    sends.load(b"x")
    sends.clear(1)
    uring.queue(sends.rows(0, 3))
    with monkeypatch.context() as patch:
        patch.setattr(io_uring, "_syscall", lambda *_: 0)
        assert uring.submit() == [(slot, -errno.EAGAIN)] * 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSYS, "could not set it up: the kernel has no io_uring, or a container hides it"),
        (errno.EPERM, "could not set it up: a container or the setting kernel.io_uring_disabled forbids it"),
        (errno.EINVAL, "could not set it up: the kernel is older than Linux 6.1"),
        (errno.EMFILE, "could not set it up: Too many open files"),
    ],
)
def test_a_system_without_it(monkeypatch: pytest.MonkeyPatch, error: int, reason: str) -> None:
    """The reason is for people: doctor and the log show it."""

    def refuse(*_: int) -> int:
        ctypes.set_errno(error)
        return -1

    monkeypatch.setattr(io_uring, "_syscall", refuse)
    with pytest.raises(IoUringUnavailable) as refused:
        IoUring()
    assert str(refused.value) == reason


@pytest.mark.usefixtures("uring")
def test_a_kernel_that_hides_short_sends_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that a socket took in part would be damaged, so the kernel is asked first."""
    monkeypatch.setattr(io_uring, "_SEND_FLAGS", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(IoUringUnavailable, match="does not report a short send"):
        IoUring()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_queue_holds_what_one_slice_writes() -> None:
    """The pusher hands over a slice with one call."""
    assert SLICE_SOCKETS <= ENTRIES_MAX
