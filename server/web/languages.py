"""The language of the answer to a request."""

from __future__ import annotations

from aiohttp import web

from server.words.choosing import COOKIE, choose_language
from server.words.texts import Language, Texts


def language_of(request: web.Request, texts: Texts) -> Language:
    """The language that the address names (`?lang=es`), else that the reader chose in the page, else that the browser asks for."""
    by_hand = (request.query.get("lang"), request.cookies.get(COOKIE))
    accepted = request.headers.get("Accept-Language", "")
    return texts.language(choose_language(texts.languages, by_hand, accepted))
