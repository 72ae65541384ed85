"""Draws the picture of a show: a program that reads a card as JSON from its input and writes a PNG to its output."""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from functools import cache
from itertools import groupby

import fontpkg  # type: ignore[import-untyped]  # it has no types
import msgspec
from anyascii import anyascii
from PIL import Image, ImageDraw, ImageFont

from server.web.card import Card, CardColours, CardSong

WIDTH, HEIGHT = 1200, 630
_MARGIN = 64
_INNER = WIDTH - 2 * _MARGIN
_NICENESS = 10  # votes come first

_HEADING_PX = (104, 88, 72, 60)  # the greatest that fits
_HEADING_TOP = 128
_PLACE_PX, _SMALL_PX, _SONG_PX = 38, 32, 32
# Latin, Greek and Cyrillic; Chinese, Japanese and Korean, which needs the extra `cjk`.
_LATIN, _CJK = "Noto Sans", "Noto Sans CJK"
# A font draws its box for what it does not have.
_NO_CHARACTER = "\U0010ffff"
_ROW_PX, _ROW_GAP_PX, _ROWS_BOTTOM = 58, 10, HEIGHT - 48


def main() -> None:
    """Reads a card, and writes its picture."""
    os.nice(_NICENESS)
    card = msgspec.json.decode(sys.stdin.buffer.read(), type=Card)
    sys.stdout.buffer.write(picture_of(card))


def picture_of(card: Card) -> bytes:
    """The picture of a card as PNG."""
    colours = card.colours
    image = Image.new("RGB", (WIDTH, HEIGHT), colours.ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 12), fill=colours.accent)
    _write(draw, (_MARGIN, 52), card.service, _SMALL_PX, colours.accent, is_bold=True)
    if card.badge:
        _draw_badge(draw, card.badge, colours)
    px = next((px for px in _HEADING_PX if _width(card.heading, px, is_bold=True) <= _INNER), _HEADING_PX[-1])
    _write(draw, (_MARGIN, _HEADING_TOP), card.heading, px, colours.text, is_bold=True)
    below = _HEADING_TOP + round(px * 1.25)
    _write(draw, (_MARGIN, below), card.place, _PLACE_PX, colours.text)
    _write(draw, (_MARGIN, below + round(_PLACE_PX * 1.35)), card.day, _PLACE_PX, colours.muted)
    if card.invitation:
        _write(draw, (_MARGIN, _ROWS_BOTTOM - _ROW_PX), card.invitation, _PLACE_PX, colours.accent, is_bold=True)
    for number, song in enumerate(reversed(card.songs), start=1):
        bottom = _ROWS_BOTTOM - (number - 1) * (_ROW_PX + _ROW_GAP_PX)
        _draw_song(draw, song, bottom - _ROW_PX, colours)
    out = io.BytesIO()
    # Few colours: a palette makes the file a third as large.
    image.quantize(128, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _draw_badge(draw: ImageDraw.ImageDraw, text: str, colours: CardColours) -> None:
    width = round(_width(text, _SMALL_PX, is_bold=True)) + 48
    left = WIDTH - _MARGIN - width
    draw.rounded_rectangle((left, 44, left + width, 100), radius=28, fill=colours.accent)
    _write(draw, (left + 24, 52), text, _SMALL_PX, colours.ink, is_bold=True)


def _draw_song(draw: ImageDraw.ImageDraw, song: CardSong, top: int, colours: CardColours) -> None:
    box = (_MARGIN, top, WIDTH - _MARGIN, top + _ROW_PX)
    draw.rounded_rectangle(box, radius=12, fill=colours.surface)
    filled = round(_INNER * song.share)
    if filled >= 24:
        draw.rounded_rectangle((_MARGIN, top, _MARGIN + filled, top + _ROW_PX), radius=12, fill=colours.bar)
    count_width = round(_width(song.count, _SONG_PX, is_bold=True))
    text_top = top + (_ROW_PX - round(_SONG_PX * 1.25)) // 2
    _write(draw, (_MARGIN + 20, text_top), song.title, _SONG_PX, colours.text, width_max=_INNER - count_width - 64)
    _write(draw, (WIDTH - _MARGIN - 20 - count_width, text_top), song.count, _SONG_PX, colours.accent, is_bold=True)


# ──────────────────────────────────────────────────────────────────────── text


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    px: int,
    colour: str,
    *,
    is_bold: bool = False,
    width_max: int = _INNER,
) -> None:
    """Writes one line, shortened to a width."""
    line = _readable(text)
    if _width(line, px, is_bold=is_bold) > width_max:
        while line and _width(f"{line}…", px, is_bold=is_bold) > width_max:
            line = line[:-1]
        line = f"{line.rstrip()}…"
    left = float(at[0])
    baseline = at[1] + _font(_LATIN, px, is_bold=is_bold).getmetrics()[0]
    for font, part in _parts(line, px, is_bold=is_bold):
        draw.text((left, baseline), part, font=font, fill=colour, anchor="ls")
        left += font.getlength(part)


def _width(text: str, px: int, *, is_bold: bool = False) -> float:
    return sum(font.getlength(part) for font, part in _parts(_readable(text), px, is_bold=is_bold))


def _parts(text: str, px: int, *, is_bold: bool) -> list[tuple[ImageFont.FreeTypeFont, str]]:
    """The text in parts of one font each."""
    return [
        (_font(name or _LATIN, px, is_bold=is_bold), "".join(chars)) for name, chars in groupby(text, _font_that_has)
    ]


def _readable(text: str) -> str:
    """The text in one line, with Latin letters in place of what no font has."""
    kept, is_drawn = "", True
    for char in " ".join(text.split()):
        # A mark alone is drawn on a circle, which every font has: it goes with its letter.
        if not unicodedata.category(char).startswith("M"):
            is_drawn = bool(_font_that_has(char))
        kept += char if is_drawn else anyascii(char)
    return kept


@cache
def _font_that_has(char: str) -> str:
    """The name of the first font that has a character; empty: none has it."""
    for name in (_LATIN, *([_CJK] if _file_of(_CJK) else [])):
        font = _font(name, _SMALL_PX)
        if char.isspace() or bytes(font.getmask(char)) != bytes(font.getmask(_NO_CHARACTER)):
            return name
    return ""


@cache
def _font(name: str, px: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(_file_of(name), px)
    if name == _LATIN:
        font.set_variation_by_name("Bold" if is_bold else "Regular")
    return font


@cache
def _file_of(name: str) -> str:
    """The file of a font; empty: it is not installed."""
    if name == _LATIN:
        return str(fontpkg.path(name))
    try:
        import noto_cjk  # type: ignore[import-not-found, import-untyped, unused-ignore]  # an extra, without types
    except ImportError:
        return ""
    return str(noto_cjk.font_path("sans", "jp", "regular"))


if __name__ == "__main__":
    main()
