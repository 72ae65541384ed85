"""The pages behind the links of emails: plain HTML in ASCII, without scripts."""

from __future__ import annotations

import html

from server.words.texts import Language

_PAGE = """<!doctype html>
<html lang="{lang}" dir="{dir}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>{title} - MySetlist</title>
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<main class="page account">
<h1>{title}</h1>
<p>{lead}</p>
{more}<p><a href="/" translate="no">MySetlist</a></p>
</main>
</body>
</html>
"""


def confirm_page(words: Language, target: str) -> bytes:
    """Builds the page with the confirm button, which posts to `target`."""
    button = _button(words.text("link-confirm"), target, "button button-main")
    return _page(words, "link-confirm-heading", "link-confirm-lead", button)


def confirmed_page(words: Language) -> bytes:
    """Builds the page that says that the address is confirmed."""
    account = f'<p><a class="button button-main" href="/me">{html.escape(words.text("account"))}</a></p>\n'
    return _page(words, "link-confirmed-heading", "link-confirmed-lead", account)


def expired_page(words: Language) -> bytes:
    """Builds the page of a link that is not valid any more."""
    return _page(words, "link-expired-heading", "link-expired-lead")


def unsubscribe_page(words: Language, target: str) -> bytes:
    """Builds the page with the unsubscribe button, which posts to `target`."""
    button = _button(words.text("link-unsubscribe"), target, "button")
    return _page(words, "link-unsubscribe-heading", "link-unsubscribe-lead", button)


def unsubscribed_page(words: Language) -> bytes:
    """Builds the page that says that no more emails come."""
    return _page(words, "link-unsubscribed-heading", "link-unsubscribed-lead")


def _page(words: Language, heading: str, lead: str, more: str = "") -> bytes:
    title, lead = (html.escape(words.text(name)) for name in (heading, lead))
    page = _PAGE.format(lang=words.tag, dir=words.direction, title=title, lead=lead, more=more)
    return page.encode("ascii", "xmlcharrefreplace")


def _button(text: str, target: str, style: str) -> str:
    label, action = html.escape(text), html.escape(target)
    return f'<form method="post" action="{action}"><button class="{style}" type="submit">{label}</button></form>\n'
