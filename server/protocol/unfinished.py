"""The bytes of a websocket message that has not come whole yet (RFC 6455, section 5.2)."""

from __future__ import annotations

from server.protocol.frames import short_frame_end

_CONTROL = 0x08
_FINAL = 0x80
_LENGTH = 0x7F
_MASK_BYTES = 4
_LONG_HEADERS = {126: 2, 127: 8}  # the length has so many bytes of its own


class Unfinished:
    """Keeps what a client has sent of its present message, frame headers and masks too. Another process can read on from there."""

    __slots__ = ("_known_from", "_start", "kept")

    def __init__(self) -> None:
        self.kept = bytearray()
        self._start = 0  # where the last frame begins, in `kept`
        self._known_from = 2  # the count of bytes from which more of that frame is known

    def add(self, data: bytes) -> None:
        """Takes the next bytes of the connection. Cost: once over the bytes, however many pieces they come in."""
        kept = self.kept
        if not kept:
            data = data[_whole_frames(data) :]
        kept += data
        while len(kept) >= self._known_from:
            end = self._end()
            if end > len(kept):
                self._known_from = end
                return
            self._end_frame(end)

    def _end(self) -> int:
        """Where the last frame ends; while its header is not whole, where that ends."""
        kept, start = self.kept, self._start
        masked, length = kept[start + 1] > _LENGTH, kept[start + 1] & _LENGTH
        long_bytes = _LONG_HEADERS.get(length, 0)
        header_end = start + 2 + long_bytes + (_MASK_BYTES if masked else 0)
        if len(kept) < header_end:
            return header_end
        if long_bytes:
            length = int.from_bytes(kept[start + 2 : start + 2 + long_bytes])
        return header_end + length

    def _end_frame(self, end: int) -> None:
        first = self.kept[self._start]
        if first & _CONTROL:
            # It may come between the frames of a message, and has been handled.
            del self.kept[self._start : end]
        elif first & _FINAL:
            del self.kept[:end]
            self._start = 0
        else:
            self._start = end
        self._known_from = self._start + 2


def _whole_frames(data: bytes) -> int:
    """How many bytes at the beginning are short frames that are each a whole message. Clients that send several at once send these."""
    start = 0
    while end := short_frame_end(data, start):
        start = end
    return start
