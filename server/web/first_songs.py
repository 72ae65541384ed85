"""What a phone with a slow network shows of a show before the page's script is there: its name, its place and its first songs.

They are in the document, and so are the styles. They look like what the script draws in their place and take no taps. They hold names
and numbers only, so they need no language.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable

from server.catalog.documents import SetlistSong, Show

SONGS_MAX = 12
_MAIN = '<main id="main" tabindex="-1">'
_STYLES = re.compile(r'  <link rel="stylesheet" href="/static/[0-9a-f]+/((?:style|shows)\.css)">\n')
_ICONS = {"up": "M12 5.5 19 13h-4.2v5.5H9.2V13H5z", "down": "M12 18.5 5 11h4.2V5.5h5.6V11H19z"}


def with_first_songs(text: str, show: Show) -> str:
    """The document with the first songs of a show; as it was when no songs wait for votes."""
    sets = [one for one in show["setlists"] if one["type"] == "predicted" and one["songs"]]
    if show["status"] not in ("live", "upcoming") or not sets:
        return text
    songs, blank = sets[0]["songs"], "&nbsp;"
    if songs[0]["up"] is not None:
        songs = sorted(songs, key=lambda song: (song["down"] or 0) - (song["up"] or 0))
    ranked = list(enumerate(songs, start=1))
    fold = ""
    if show["voting"] in ("open", "locked"):
        # As wantedFold in static/selectors.js: played songs fold into one line.
        others = [one for one in ranked if one[1]["played_at"] is None]
        if len(others) < len(ranked):
            fold = f'<div class="more-rows played-rows"><span class="fold">{blank}</span></div>'
        ranked = others
    rows = "".join(_row(place, song) for place, song in ranked[:SONGS_MAX])
    venue = show["venue"]
    supports = f'<p class="show-bill">{blank}</p>' if len(show["bill"]) > 1 else ""
    budget = "" if show["votes_per_user_max"] is None else ' data-budget=""'
    title = f'<h3 class="set-head">{blank}</h3>' if len(sets) > 1 else ""
    where = ", ".join(filter(None, (venue["name"], venue["city"], venue["region"] or venue["country"])))
    # Once the show has begun, picks are locked, and the songs come before them.
    pick = "" if show["status"] == "live" else '<div class="pick"></div>'
    first = (
        '<div class="page show first-songs"><div class="panel"><span class="back"></span>'
        f'<h1 dir="auto" translate="no">{html.escape(show["artist"]["name"])}</h1>'
        f'{supports}<p class="show-where" translate="no">{html.escape(where)}</p><p class="show-when">{blank}</p>'
        f'<div class="window"></div></div><div class="content"><div class="toolbar"{budget}></div>{pick}'
        f'<div class="section"><div class="section-head"></div>{title}{fold}<ol class="rows">{rows}</ol></div></div></div>'
    )
    return text.replace(_MAIN, _MAIN + first, 1)


def with_styles(text: str, read: Callable[[str], str]) -> tuple[str, list[str]]:
    """The document with its styles in it, which saves a slow phone a round trip before the first picture.

    Takes: read, gives a style sheet by its name
    Gives: the document; the sources that the content security policy has to allow
    """
    sources: list[str] = []

    def inline(found: re.Match[str]) -> str:
        styles = read(found[1])
        digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
        sources.append(f"'sha256-{digest}'")
        return f"<style>{styles}</style>\n"

    return _STYLES.sub(inline, text), sources


def _row(place: int, song: SetlistSong) -> str:
    votes = ""
    if song["up"] is not None and song["down"] is not None:
        counts = (("up", song["up"]), ("down", song["down"]))
        buttons = "".join(
            f'<span class="vote vote-{way}"><svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{_ICONS[way]}"/></svg>'
            f'<span class="count">{count:,}</span></span>'
            for way, count in counts
        )
        votes = f'<div class="votes">{buttons}</div>'
    title = html.escape(song["title"])
    return (
        f'<li class="row"><span class="rank" aria-hidden="true">{place}</span>'
        f'<div class="text"><span class="title" dir="auto" translate="no">{title}</span></div>{votes}</li>'
    )
