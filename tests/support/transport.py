"""A transport that records what is written to it."""

from __future__ import annotations

import json
import struct
from typing import Any


class RecordingTransport:
    """Records every frame, and how it was closed.

    backed_up: bytes that the peer has not taken yet; end: "", "closed" or "aborted"
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.backed_up = 0
        self.end = ""

    def write(self, data: bytes) -> None:
        """Records a frame; like uvloop it refuses one after closing."""
        assert not self.end, "written to after closing"
        self.frames.append(data)

    def is_closing(self) -> bool:
        """Whether it was closed or aborted."""
        return bool(self.end)

    def get_extra_info(self, name: str) -> None:
        """None: it has no plain socket, so everything goes through `write`."""

    def get_write_buffer_size(self) -> int:
        """The number of waiting bytes that the test has set."""
        return self.backed_up

    def close(self) -> None:
        """Closes after everything is sent."""
        self.end = self.end or "closed"

    def abort(self) -> None:
        """Closes at once."""
        self.end = "aborted"

    def messages(self) -> list[dict[str, Any]]:
        """The contents of its text frames."""
        return [decoded(frame) for frame in self.frames if frame[0] == 0x81]

    def close_code(self) -> int:
        """The code of the last frame, which must be a close frame."""
        assert self.frames[-1][0] == 0x88
        code: int = struct.unpack("!H", self.frames[-1][2:4])[0]
        return code


def whole_frames(data: bytes) -> list[bytes]:
    """Cuts bytes that a server has sent into frames; one that is not whole yet is left out."""
    frames: list[bytes] = []
    start = 0
    while start + 2 <= len(data):
        header = _header_bytes(data[start:])
        length = data[start + 1] if header == 2 else int.from_bytes(data[start + 2 : start + header], "big")
        end = start + header + length
        if end > len(data):
            break
        frames.append(data[start:end])
        start = end
    return frames


def _header_bytes(frame: bytes) -> int:
    return 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10


def decoded(frame: bytes) -> dict[str, Any]:
    """The content of a text frame of any length."""
    message: dict[str, Any] = json.loads(frame[_header_bytes(frame) :])
    return message
