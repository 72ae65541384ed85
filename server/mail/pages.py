"""The pages behind the links of emails: plain HTML in ASCII, without scripts."""

from __future__ import annotations

import html

_PAGE = """<!doctype html>
<html lang="en">
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
{body}
<p><a href="/">MySetlist</a></p>
</main>
</body>
</html>
"""


def _page(title: str, body: str) -> bytes:
    return _PAGE.format(title=title, body=body).encode("ascii")


CONFIRMED = _page(
    "Your address is confirmed",
    '<p>The page where you began notices it.</p>\n<p><a class="button button-main" href="/me">Your account</a></p>',
)
EXPIRED = _page("This link is no longer valid", "<p>Enter your address on MySetlist again to get a new link.</p>")
UNSUBSCRIBED = _page("You are unsubscribed", "<p>MySetlist sends no more emails to this address.</p>")


def confirm_page(target: str) -> bytes:
    """Builds the page with the confirm button, which posts to `target`."""
    action = html.escape(target)
    button = f'<form method="post" action="{action}"><button class="button button-main" type="submit">Confirm</button></form>'
    return _page("Confirm your address?", f"<p>MySetlist will send the emails that you asked for.</p>\n{button}")


def unsubscribe_page(target: str) -> bytes:
    """Builds the page with the unsubscribe button, which posts to `target`."""
    action = html.escape(target)
    button = f'<form method="post" action="{action}"><button class="button" type="submit">Unsubscribe</button></form>'
    return _page("Unsubscribe?", f"<p>MySetlist will send no more emails to this address.</p>\n{button}")
