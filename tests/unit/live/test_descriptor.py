"""Pushes written directly to a socket, on a real pair of sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from server.live.channel import Subscriber
from server.live.pusher import _write_through
from tests.support.transport import RecordingTransport


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two non-blocking ends of one connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_a_frame_goes_straight_to_the_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    """The peer has all of it, and the transport got nothing."""
    ours, theirs = pair
    transport = RecordingTransport()
    _write_through(Subscriber(transport, ours.fileno()), b"frame")
    assert theirs.recv(100) == b"frame"
    assert transport.frames == []


def test_the_transport_gets_the_rest_that_a_full_socket_does_not_take(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """The transport gets exactly the bytes that the socket did not take, so no frame is damaged."""
    ours, theirs = pair
    transport = RecordingTransport()
    subscriber = Subscriber(transport, ours.fileno())
    frame = bytes(range(256)) * 4096
    _write_through(subscriber, frame)
    assert transport.frames, "the socket took a megabyte; the test needs a larger frame"
    read = bytearray()
    while True:
        try:
            read += theirs.recv(1 << 20)
        except BlockingIOError:
            break
    assert bytes(read) + b"".join(transport.frames) == frame
    assert read


def test_a_socket_that_takes_nothing_leaves_all_to_the_transport(pair: tuple[socket.socket, socket.socket]) -> None:
    """A full socket is no error."""
    ours, _ = pair
    with suppress(BlockingIOError):
        while ours.send(b"x" * 65536):
            pass
    transport = RecordingTransport()
    _write_through(Subscriber(transport, ours.fileno()), b"frame")
    assert b"".join(transport.frames) == b"frame"


def test_a_peer_that_is_gone_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    """The reading side ends the connection; the other watchers get their push."""
    ours, theirs = pair
    theirs.close()
    transport = RecordingTransport()
    _write_through(Subscriber(transport, ours.fileno()), b"frame")
    assert transport.frames == []
