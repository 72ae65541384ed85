"""Finds texts for people in the files of pages, so that a test can say which of them stand outside the words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import NamedTuple

# Names are the same in every language.
NAMES = {"MySetlist", "Ticketmaster", "setlist.fm", "Spotify", "MusicBrainz"}
# Words of protocols, which programs read.
PROTOCOL = {"account erased", "Bearer ", "Date", "Notification", "Macintosh"}

# One token of JavaScript. A slash begins a regular expression only where no value has ended.
_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<tick>`)
      | (?P<regex>(?<![\w)\]}"'`])(?<![\w)\]}"'`]\s)/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*)
      | (?P<other>[A-Za-z_$][\w$]*|\d[\w.]*|\s+|.)""",
    re.VERBOSE | re.DOTALL,
)
# Attributes and arguments that people read or hear.
_READ_ATTRIBUTE = re.compile(
    r'(?:"aria-(?:label|description|roledescription|valuetext)"|\b(?:placeholder|title|alt|label))\s*:\s*$'
)
_READ_CALL = re.compile(
    r'(?:setText\([^,()]*(?:\([^()]*\))?[^,()]*,\s*|setAttribute\([^,]+,\s*"(?:aria-label|placeholder|title|alt)",\s*'
    r"|\.(?:textContent|title|innerText|placeholder)\s*=\s*(?:[^;=]*[?:]\s*)?)$"
)
# What looks like a text, wherever it stands: a capital word, or two words beside each other.
_LIKE_TEXT = re.compile(r"^[A-Z][a-zà-ÿ’']+(?:[ .,:!?…]|$)|[A-Za-zÀ-ÿ]{2,}[,.:;!?]? [A-Za-zÀ-ÿ(]{2,}")
_WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
# Paths, and the form of a code.
_FORM = re.compile(r"^(?:/[a-z]+|[X-]+)$")
_COMPARED = re.compile(r"(?:===|!==|\bcase)\s*$")
# Places where such a string is none: names of classes, selectors, keys, headers, types, keys of the keyboard, styles.
_NO_TEXT = re.compile(
    r"""(?:\bclass\s*:\s*|\bclassName\s*=\s*|"class",\s*|(?:querySelector(?:All)?|matches|closest|matchMedia|Error|define)\(\s*
      |"class",[^;()]*|\.transform\s*=\s*|\b(?:easing|timeZone|transform|d|viewBox)\s*:\s*|\b(?:phrase|addEventListener|getItem|getEntriesByType)\(\s*
      |headers(?:\.get)?\(?\s*|\bget\(\s*|\bfrom\s*|\bimport\(\s*)$""",
    re.VERBOSE,
)


class Found(NamedTuple):
    """A text for people, with its line."""

    line: int
    text: str


def texts_in_script(source: str) -> list[Found]:
    """The texts for people that a script has itself."""
    return [
        Found(source.count("\n", 0, at) + 1, text)
        for at, text, before, is_child in _strings(source)
        if text not in NAMES | PROTOCOL and _is_read(text, before, is_child=is_child)
    ]


def _is_read(text: str, before: str, *, is_child: bool) -> bool:
    if _COMPARED.search(before):
        return False
    if _READ_ATTRIBUTE.search(before) or _READ_CALL.search(before) or is_child:
        return bool(_WORD.search(text)) and not _FORM.search(text)
    return not _NO_TEXT.search(before) and bool(_LIKE_TEXT.search(text))


def _strings(source: str) -> Iterator[tuple[int, str, str, bool]]:
    """Each string and each fixed part of a template: its place, itself, the code before it, whether it is a child in `h(…)`."""
    code = ""  # without comments; strings stay
    calls: list[tuple[bool, int]] = []  # open brackets: of h(…), and the number of commas in it
    templates: list[
        tuple[int, str, bool]
    ] = []  # open ones: the depth of brackets, the code before, whether it is a child
    at = 0
    while at < len(source):
        if templates and templates[-1][0] == len(calls) and source[at] == "}":
            _, before, is_child = templates[-1]
            at, part, is_closed = _template_part(source, at + 1)
            yield at, part, before, is_child
            if is_closed:
                templates.pop()
            continue
        found = _TOKEN.match(source, at)
        assert found is not None
        token = found[0]
        if found["tick"]:
            is_child = bool(calls) and calls[-1][0] and calls[-1][1] >= 2
            at, part, is_closed = _template_part(source, at + 1)
            yield at, part, code, is_child
            if not is_closed:
                templates.append((len(calls), code, is_child))
            code += '"'
            continue
        if found["string"]:
            is_child = bool(calls) and calls[-1][0] and calls[-1][1] >= 2
            yield at, token[1:-1], code, is_child
        if not found["comment"]:
            if token in ("(", "[", "{"):
                calls.append((token == "(" and bool(re.search(r"(?<![\w.$])h$", code)), 0))
            elif token in (")", "]", "}") and calls:
                calls.pop()
            elif token == "," and calls:
                calls[-1] = (calls[-1][0], calls[-1][1] + 1)
            code = (code + token)[-400:]
        at = found.end()


def _template_part(source: str, at: int) -> tuple[int, str, bool]:
    """The fixed part of a template from here: where it ends, itself, whether the template ends with it."""
    found = re.compile(r"(?:\\.|(?!\$\{)[^`\\])*", re.DOTALL).match(source, at)
    assert found is not None
    end = found.end()
    is_closed = source[end : end + 1] == "`"
    return end + (1 if is_closed else 2), found[0], is_closed


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []
        self._fixed: list[str] = []  # open elements whose text is no text for people, or a name

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if (tag in ("script", "style") or values.get("translate") == "no" or self._fixed) and tag not in _EMPTY:
            self._fixed.append(tag)
        is_description = tag == "meta" and values.get("name") in ("description", "application-name")
        for name, value in attributes:
            if name in ("alt", "aria-label", "placeholder", "title") or (is_description and name == "content"):
                self._note(value or "")

    def handle_endtag(self, tag: str) -> None:
        if self._fixed and tag not in _EMPTY:
            self._fixed.pop()

    def handle_data(self, data: str) -> None:
        if not self._fixed:
            self._note(data)

    def _note(self, text: str) -> None:
        rest = re.sub(r"\{\{[a-z:-]+\}\}", "", text)
        for name in NAMES:
            rest = rest.replace(name, "")
        if _WORD.search(rest):
            self.found.append(Found(self.getpos()[0], " ".join(rest.split())))


_EMPTY = {"meta", "link", "img", "input", "br", "hr", "path", "circle", "source"}


def texts_in_page(source: str) -> list[Found]:
    """The texts for people that an HTML file has itself."""
    page = _Page()
    page.feed(re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL))
    return page.found
