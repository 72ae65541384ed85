"""Answers that a client may keep, and asks with their ETag whether they changed."""

from __future__ import annotations

import hashlib

from aiohttp import ETag, web

from server.web.compression import compress, encoding_for

_TEXT_TYPES = ("text/", "application/xml", "application/manifest+json")


def etag_of(body: bytes) -> ETag:
    """The ETag of an answer. It is weak, because the same answer may be compressed in several ways."""
    return ETag(hashlib.blake2b(body, digest_size=12).hexdigest(), is_weak=True)


def has_it(request: web.Request, etag: ETag) -> bool:
    """Whether the client has the answer with this ETag."""
    return any(tag.value in (etag.value, "*") for tag in request.if_none_match or ())


def revalidated(request: web.Request, body: bytes, media_type: str, *, cache_control: str = "no-cache") -> web.Response:
    """The answer with this body, or 304 when the client has it."""
    etag = etag_of(body)
    headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    if has_it(request, etag):
        response = web.Response(status=304, headers=headers)
    else:
        is_text = media_type.startswith(_TEXT_TYPES)
        if is_text and (encoding := encoding_for(request)):
            body, headers["Content-Encoding"] = compress(body, encoding, is_kept=False), encoding
        response = web.Response(body=body, headers=headers, content_type=media_type)
        if is_text:
            response.charset = "utf-8"
    response.etag = etag
    return response
