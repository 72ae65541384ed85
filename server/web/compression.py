"""Compresses what clients get: with Brotli, which browsers take over TLS, else with gzip."""

from __future__ import annotations

import gzip
from typing import Literal

import brotli
from aiohttp import web

from server.protocol.http.weights import weights_of

Encoding = Literal["br", "gzip"]


def encoding_for(request: web.Request) -> Encoding | None:
    """The best encoding that a client takes; None: it takes none."""
    weights = weights_of(request.headers.get("Accept-Encoding", ""))
    return "br" if weights.get("br") else "gzip" if weights.get("gzip") else None


def compress(body: bytes, encoding: Encoding, *, is_kept: bool) -> bytes:
    """A body in an encoding. Takes: is_kept, whether the node keeps the result, so that more time is worth it.

    200 KB of scripts take 25 ms with Brotli when kept, and become 8 % smaller than with gzip. The page of a show, 40 KB, takes
    0.17 ms and becomes 12 % smaller; quality 4 would take 0.38 ms for 6 % more.
    """
    if encoding == "br":
        compressed: bytes = brotli.compress(body, quality=9 if is_kept else 3)
        return compressed
    # The page of a show, 40 KB, takes 0.6 ms and becomes 10.4 KB; level 1 would take 0.44 ms for 11.4 KB, level 6 1.7 ms for 9.4 KB.
    return gzip.compress(body, 9 if is_kept else 3, mtime=0)
