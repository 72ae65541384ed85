"""The pages behind the links of letters: plain, without a script, in ASCII."""

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
<main>
<h1>{title}</h1>
{body}
<p><a href="/">MySetlist</a></p>
</main>
</body>
</html>
"""


def _page(title: str, body: str) -> bytes:
    return _PAGE.format(title=title, body=body).encode("ascii")


CONFIRMED = _page("Your address is confirmed", "<p>Letters come from now on, as you have asked for them.</p>")
GONE = _page("This link is too old", "<p>Ask for a new one where you gave your address.</p>")
UNSUBSCRIBED = _page("No more letters", "<p>Nothing more is sent to this address.</p>")


def ask_unsubscribe(target: str) -> bytes:
    """The page with the button; `target` is where it posts to."""
    action = html.escape(target)
    button = f'<form method="post" action="{action}"><button type="submit">No more letters</button></form>'
    return _page("No more letters?", f"<p>MySetlist will not write to this address again.</p>\n{button}")
