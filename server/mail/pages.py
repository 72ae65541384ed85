"""The pages behind the links of emails: plain HTML in ASCII, without scripts."""

from __future__ import annotations

import html
from typing import NamedTuple

from server.protocol.service import SERVICE
from server.words.texts import Language

_PAGE = """<!doctype html>
<html lang="{lang}" dir="{dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>{title} - {service}</title>
<link rel="stylesheet" href="/static/style.css">
{styles}</head>
<body>
<main class="page account">
<h1>{title}</h1>
<p>{lead}</p>
{more}<p><a href="/" translate="no">{service}</a></p>
</main>
</body>
</html>
"""


class PageBrand(NamedTuple):
    """The brand of the host that was asked. Takes: host, as brands name it; styles, the address of its style sheet."""

    host: str
    name: str
    styles: str


def confirm_page(words: Language, brand: PageBrand | None, target: str) -> bytes:
    """Builds the page with the confirm button, which posts to `target`."""
    button = _button(words.text("link-confirm"), target, "button button-main")
    return _page(words, brand, "link-confirm-heading", "link-confirm-lead", button)


def confirmed_page(words: Language, brand: PageBrand | None) -> bytes:
    """Builds the page that says that the address is confirmed."""
    account = f'<p><a class="button button-main" href="/me">{html.escape(words.text("account"))}</a></p>\n'
    return _page(words, brand, "link-confirmed-heading", "link-confirmed-lead", account)


def expired_page(words: Language, brand: PageBrand | None) -> bytes:
    """Builds the page of a link that is not valid any more."""
    return _page(words, brand, "link-expired-heading", "link-expired-lead")


def unsubscribe_page(words: Language, brand: PageBrand | None, target: str) -> bytes:
    """Builds the page with the unsubscribe button, which posts to `target`."""
    button = _button(words.text("link-unsubscribe"), target, "button")
    return _page(words, brand, "link-unsubscribe-heading", "link-unsubscribe-lead", button)


def unsubscribed_page(words: Language, brand: PageBrand | None) -> bytes:
    """Builds the page that says that no more emails come."""
    return _page(words, brand, "link-unsubscribed-heading", "link-unsubscribed-lead")


def _page(words: Language, brand: PageBrand | None, heading: str, lead: str, more: str = "") -> bytes:
    service = SERVICE if brand is None else brand.name
    title, lead = html.escape(words.text(heading)), html.escape(words.text(lead, service=service))
    styles = "" if brand is None else f'<link rel="stylesheet" href="{brand.styles}">\n'
    page = _PAGE.format(
        lang=words.tag,
        dir=words.direction,
        title=title,
        lead=lead,
        more=more,
        service=html.escape(service),
        styles=styles,
    )
    return page.encode("ascii", "xmlcharrefreplace")


def _button(text: str, target: str, style: str) -> str:
    label, action = html.escape(text), html.escape(target)
    return f'<form method="post" action="{action}"><button class="{style}" type="submit">{label}</button></form>\n'
