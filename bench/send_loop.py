"""The cheapest way to send one frame to many sockets, one call each: a loop in C, compiled with gcc; without gcc Python's `socket.send`."""

from __future__ import annotations

import ctypes
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

_SOURCE = """
#include <sys/types.h>
#include <sys/socket.h>
long broadcast(const int *sockets, int count, const char *frame, size_t length) {
    long whole = 0;
    for (int i = 0; i < count; i++)
        if (send(sockets[i], frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) length) whole++;
    return whole;
}
"""

Broadcast = Callable[[list[socket.socket], bytes], int]


def send_loop() -> tuple[str, Broadcast]:
    """The send loop, and its language."""
    library = compiled(_SOURCE)
    if library is None:
        return "python", _broadcast_in_python
    function = library.broadcast
    function.restype = ctypes.c_long

    def broadcast_in_c(sockets: list[socket.socket], frame: bytes) -> int:
        numbers = (ctypes.c_int * len(sockets))(*(one.fileno() for one in sockets))
        return int(function(numbers, len(sockets), frame, ctypes.c_size_t(len(frame))))

    return "c", broadcast_in_c


def compiled(source: str) -> ctypes.CDLL | None:
    """The library that a C source makes; None: this machine has no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory(prefix="mysetlist-bench-") as folder:
        written, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        written.write_text(source)
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(written)], check=True)
        return ctypes.CDLL(str(library))


def _broadcast_in_python(sockets: list[socket.socket], frame: bytes) -> int:
    return sum(one.send(frame) == len(frame) for one in sockets)
