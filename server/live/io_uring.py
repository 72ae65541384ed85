"""io_uring: one call to the kernel sends a frame to hundreds of sockets (docs/adr/0042).

Owns:    a queue shared with the kernel, and the kernel's table of sockets; a socket's slot is its index in the table
Threads: event loop only; the kernel refuses every other thread
Limits:  ENTRIES_MAX (docs/limits.md)
Never:   waits for a socket
Source:  io_uring_setup(2), io_uring_enter(2), io_uring_register(2), linux/io_uring.h
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Entries handed to the kernel with one call: sockets written before casts and other work get their turn. About 2 ms.
ENTRIES_MAX = 512
SLOTS_MAX = 1 << 17

# System calls have the same numbers on all architectures that Linux has added since 2019, and on x86 and ARM.
_SETUP, _ENTER, _REGISTER = 425, 426, 427
# SUBMIT_ALL: a wrong entry does not end a call. SINGLE_ISSUER, DEFER_TASKRUN: only this thread works on the queue (Linux 6.1).
_SETUP_FLAGS = 1 << 7 | 1 << 12 | 1 << 13
_ENTER_GETEVENTS = 1
_REGISTER_FILES2, _FILES_UPDATE, _FILES_SPARSE = 13, 6, 1
_OFFSET_RING, _OFFSET_ENTRIES = 0, 0x10000000

# io_uring_params: sizes and flags, then the offsets of the fields of both queues.
_PARAMS = struct.Struct("=10I 8IQ 8IQ")
# io_uring_rsrc_register (nr, flags, resv2, data, tags) and io_uring_files_update (offset, resv, fds).
_FILES = struct.Struct("=IIQQQ")
_UPDATE = struct.Struct("=IIQ")

# An entry has 64 bytes, which are eight words of 64 bits: opcode, flags and slot; offset; address; length and flags of send(2);
# a number of our own, which comes back when the entry fails.
ENTRY_BYTES = 64
WORDS = ENTRY_BYTES // 8
_HEAD, _ADDRESS, _LENGTH, _NUMBER = 0, 2, 3, 4
_NOP, _SEND = 0, 26
# The descriptor is a slot; the kernel reports failures only.
_FIXED_FILE, _SKIP_SUCCESS = 1 << 0, 1 << 6
_HEAD_NOP = _NOP | _SKIP_SUCCESS << 8
_HEAD_SEND = _SEND | (_FIXED_FILE | _SKIP_SUCCESS) << 8
# WAITALL makes the kernel report a short send, and DONTWAIT makes it end there.
_SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL | getattr(socket, "MSG_WAITALL", 0)

_RESULT = struct.Struct("=QiI")

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] * 7


class IoUringUnavailable(Exception):
    """This system does not offer what is needed. The message says what."""


class Sends:
    """Prepared sends of one frame to many sockets, one row a socket. Only address and length change from frame to frame."""

    __slots__ = ("_bytes", "_frame", "_words", "count")

    def __init__(self) -> None:
        self._bytes = bytearray(ENTRY_BYTES)
        self._words = memoryview(self._bytes).cast("Q")
        self._frame: object = None
        self.count = 0

    def append(self, slot: int) -> None:
        """Adds a row for a slot."""
        row = self.count
        if (row + 1) * ENTRY_BYTES > len(self._bytes):
            self._bytes = self._bytes + bytes(len(self._bytes))
            self._words = memoryview(self._bytes).cast("Q")
        self.count = row + 1
        self.put(row, slot)

    def put(self, row: int, slot: int) -> None:
        """Gives a row to a slot."""
        at = row * WORDS
        self._words[at + _HEAD] = _HEAD_SEND | slot << 32
        self._words[at + _NUMBER] = slot

    def clear(self, row: int) -> None:
        """Nothing is sent for this row, until the next frame is loaded."""
        at = row * WORDS
        self._words[at + _HEAD] = _HEAD_NOP
        self._words[at + _LENGTH] = 0  # the flags of send(2) are wrong for an entry that does nothing

    def load(self, frame: bytes) -> None:
        """Makes every row send this frame."""
        self._frame = ctypes.c_char_p(frame)  # keeps it: the kernel reads from its address
        address = ctypes.cast(self._frame, ctypes.c_void_p).value or 0
        for word, value in ((_ADDRESS, address), (_LENGTH, len(frame) | _SEND_FLAGS << 32)):
            self._words[word : self.count * WORDS : WORDS] = memoryview(struct.pack("=Q", value) * self.count).cast("Q")

    def unload(self) -> None:
        """Forgets the frame."""
        self._frame = None

    def rows(self, start: int, end: int) -> memoryview:
        """The entries of some rows."""
        return memoryview(self._bytes)[start * ENTRY_BYTES : end * ENTRY_BYTES]


class IoUring:
    """A queue to the kernel. Raises: IoUringUnavailable."""

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise IoUringUnavailable("io_uring is a part of Linux")
        if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
            raise IoUringUnavailable("the processor is not of the kind that entries are written for")
        params = bytearray(_PARAMS.pack(0, 0, _SETUP_FLAGS, *[0] * 25))
        self._descriptor = _call("set it up", _SETUP, ENTRIES_MAX, _address(params))
        try:
            self._map(params)
            self._register_table()
            self._check()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _map(self, params: bytearray) -> None:
        values = _PARAMS.unpack(params)
        entries, results = values[0], values[1]
        # Of the queue of entries: head, tail, mask, number, flags, dropped, array. Of the results: head, tail, mask, number,
        # overflow, results.
        entry_offsets, result_offsets = values[10:19], values[19:28]
        access = mmap.PROT_READ | mmap.PROT_WRITE
        ring_bytes = max(entry_offsets[6] + entries * 4, result_offsets[5] + results * _RESULT.size)
        ring = mmap.mmap(self._descriptor, ring_bytes, mmap.MAP_SHARED, access, offset=_OFFSET_RING)
        self._entries = memoryview(
            mmap.mmap(self._descriptor, entries * ENTRY_BYTES, mmap.MAP_SHARED, access, offset=_OFFSET_ENTRIES)
        )
        self._ring = memoryview(ring)[: ring_bytes & ~3].cast("I")
        self._entry_head, self._entry_tail = entry_offsets[0] // 4, entry_offsets[1] // 4
        self._result_head, self._result_tail = result_offsets[0] // 4, result_offsets[1] // 4
        self._results = memoryview(ring)[result_offsets[5] :]
        self._entry_count, self._result_count = entries, results
        # The kernel takes entries by way of this array. Ours lie in order.
        for index in range(entries):
            self._ring[entry_offsets[6] // 4 + index] = index

    def _register_table(self) -> None:
        slots = min(SLOTS_MAX, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        request = bytearray(_FILES.pack(slots, _FILES_SPARSE, 0, 0, 0))
        _call("register sockets", _REGISTER, self._descriptor, _REGISTER_FILES2, _address(request), _FILES.size)
        self._slot_count, self._used_count = slots, 0
        self._free: list[int] = []  # slots below _used_count
        self._file = ctypes.c_int()
        self._update = bytearray(_UPDATE.size)

    def _check(self) -> None:
        """Finds out whether this kernel reports a short send, a full socket and an empty slot, and no success."""
        ours, theirs = socket.socketpair()
        with ours, theirs, self._in_table(ours.fileno()) as slot:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            sends = Sends()
            sends.append(slot)
            found = []
            for frame in (b"x", bytes(1 << 20), b"x"):
                sends.load(frame)
                self.queue(sends.rows(0, 1))
                found += [result for _, result in self.submit()]
            is_short = len(found) == 2 and 0 < found[0] < 1 << 20 and found[1] == -errno.EAGAIN
        self.queue(sends.rows(0, 1))
        if not is_short or [result for _, result in self.submit()] != [-errno.EBADF]:
            raise IoUringUnavailable("the kernel does not report a short send")

    @contextmanager
    def _in_table(self, descriptor: int) -> Iterator[int]:
        slot = self.add(descriptor)
        if slot is None:
            raise IoUringUnavailable("the kernel takes no socket into its table")
        try:
            yield slot
        finally:
            self.remove(slot)

    def add(self, descriptor: int) -> int | None:
        """Puts a socket into the table. The kernel keeps it open until it is removed.

        Gives: its slot, the lowest that was never used or one that is free again; None: the table is full
        """
        if not self._free:
            if self._used_count == self._slot_count:
                return None
            self._free.append(self._used_count)
            self._used_count += 1
        slot = self._free[-1]
        if not self._set_file(slot, descriptor):
            return None
        self._free.pop()
        return slot

    def remove(self, slot: int) -> None:
        """Takes a socket out of the table. Its slot may be another socket's at once."""
        self._set_file(slot, -1)
        self._free.append(slot)

    def _set_file(self, slot: int, descriptor: int) -> bool:
        self._file.value = descriptor
        _UPDATE.pack_into(self._update, 0, slot, 0, ctypes.addressof(self._file))
        return bool(_syscall(_REGISTER, self._descriptor, _FILES_UPDATE, _address(self._update), 1, 0, 0) == 1)

    def queue(self, rows: memoryview) -> None:
        """Adds rows for the next `submit`, at most ENTRIES_MAX in all."""
        tail = self._ring[self._entry_tail]
        start = (tail % self._entry_count) * ENTRY_BYTES
        first = min(len(rows), self._entry_count * ENTRY_BYTES - start)
        self._entries[start : start + first] = rows[:first]
        self._entries[: len(rows) - first] = rows[first:]
        self._ring[self._entry_tail] = (tail + len(rows) // ENTRY_BYTES) & 0xFFFFFFFF

    def submit(self) -> list[tuple[int, int]]:
        """Sends what is queued; nothing is queued afterwards.

        Gives: for each send that failed or was short, its slot and its result: bytes that were sent, or an error number below 0
        """
        head, tail = self._ring[self._entry_head], self._ring[self._entry_tail]
        count = (tail - head) & 0xFFFFFFFF
        taken = _syscall(_ENTER, self._descriptor, count, 0, _ENTER_GETEVENTS, 0, 0)
        error = ctypes.get_errno()
        failed = self._take_results()
        if taken < count:
            # The kernel has no memory, say. What it has not taken is as good as not sent.
            left = [index % self._entry_count for index in range(head + max(taken, 0), head + count)]
            numbers = [self._number(index) for index in left if self._entries[index * ENTRY_BYTES] != _NOP]
            self._ring[self._entry_tail] = self._ring[self._entry_head]
            failed += [(number, -(error if taken < 0 else errno.EAGAIN)) for number in numbers]
        return failed

    def _number(self, index: int) -> int:
        return int.from_bytes(self._entries[index * ENTRY_BYTES + _NUMBER * 8 :][:8], sys.byteorder)

    def _take_results(self) -> list[tuple[int, int]]:
        head, tail = self._ring[self._result_head], self._ring[self._result_tail]
        found = []
        while head != tail:
            number, result, _ = _RESULT.unpack_from(self._results, head % self._result_count * _RESULT.size)
            found.append((number, result))
            head = (head + 1) & 0xFFFFFFFF
        self._ring[self._result_head] = head
        return found

    def close(self) -> None:
        """Gives everything back to the kernel."""
        os.close(self._descriptor)
        # The kernel keeps the queue for as long as its memory is mapped.
        del self._ring, self._entries, self._results


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _call(what: str, number: int, *arguments: int) -> int:
    result = int(_syscall(number, *arguments, *[0] * (6 - len(arguments))))
    if result < 0:
        found = ctypes.get_errno()
        why = {
            errno.ENOSYS: "the kernel has no io_uring, or a container hides it",
            errno.EPERM: "a container or the setting kernel.io_uring_disabled forbids it",
            errno.EINVAL: "the kernel is older than Linux 6.1",
        }.get(found, os.strerror(found))
        raise IoUringUnavailable(f"could not {what}: {why}")
    return result
