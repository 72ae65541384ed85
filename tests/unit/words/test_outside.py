"""No page of fans has a text outside static/words/, so that none stays English in another language."""

from __future__ import annotations

import re

import pytest

from server.settings import data_folder
from server.words.texts import shipped
from tests.support.page_texts import texts_in_page, texts_in_script

# Its tests read the code, and run little of it.
pytestmark = pytest.mark.no_cover

STATIC = data_folder("static")
# The console of staff and the pages of the API are English (docs/translating.md).
ENGLISH = {"admin", "docs.html", "docs.js", "openapi.js"}
SCRIPTS = sorted(path for path in STATIC.rglob("*.js") if not ENGLISH & {*path.relative_to(STATIC).parts})
PAGES = sorted(path for path in STATIC.rglob("*.html") if not ENGLISH & {*path.relative_to(STATIC).parts})


def test_scripts_have_no_texts_of_their_own() -> None:
    """Each text for people comes from `phrase`."""
    assert len(SCRIPTS) > 30
    found = [
        f"{path.relative_to(STATIC)}:{line}: {text}"
        for path in SCRIPTS
        for line, text in texts_in_script(path.read_text())
    ]
    assert found == [], "write these texts into a file in static/words/en/ and ask for them with phrase()"


def test_pages_have_no_texts_of_their_own() -> None:
    """Each text for people is a place like {{skip}}."""
    assert len(PAGES) >= 5
    found = [f"{path.name}:{line}: {text}" for path in PAGES for line, text in texts_in_page(path.read_text())]
    assert found == [], "write these texts into a file in static/words/en/ and name them in the page like {{skip}}"


@pytest.mark.parametrize(
    "line",
    [
        'h("button", { class: "button quiet", type: "button" }, "Undo")',
        'h("span", {}, "played")',
        'h("p", {}, isLate ? "late now" : phrase("ok"))',
        'h("input", { placeholder: "city", class: "a b" })',
        'h("nav", { "aria-label": "pages" })',
        'setText(state, "Gone")',
        "setText(this.parts.get(id), `gone ${count}`)",
        'setAttribute(button, "aria-label", `follow ${name}`)',
        'document.title = "shows";',
        'who.textContent = isIn ? name : "nobody here";',
        'const TEXTS = { a: "It is over." };',
        "return `${count} votes are left`;",
    ],
)
def test_a_text_in_a_script_is_found(line: str) -> None:
    """Children, attributes, titles and sentences are found in each form that scripts write them."""
    assert texts_in_script(f"// A comment.\n{line}\n") != []


def test_what_is_no_text_is_not_found() -> None:
    """Classes, selectors, paths, keys, patterns and comments are left alone."""
    source = """
/** A comment with words. */
h("div", { class: "card big wide", id: "main", type: "button" }, phrase("ok"), name);
element.querySelector(".row .title, h1 a");
const PATTERN = /^[a-z] and "quoted words" here$/;
fetch("/api/me", { method: "PATCH" }); // fetched at once
if (event.key === "Escape") close();
element.style.transform = `translate(${x}px, ${y}px)`;
throw new Error(`${path} is not of this version`);
"""
    assert texts_in_script(source) == []


@pytest.mark.parametrize(
    "line", ["<p>Gone</p>", '<img alt="A band">', '<meta name="description" content="Vote.">', "<title>Shows</title>"]
)
def test_a_text_in_a_page_is_found(line: str) -> None:
    """Texts and attributes that people read are found; names that are not translated are not."""
    assert texts_in_page(f'<p translate="no">Band</p><p>{{{{skip}}}} · MySetlist</p>{line}') != []
    assert texts_in_page('<p translate="no">Band <b>Two</b></p><p class="big one">{{skip}} · MySetlist</p>') == []


def test_phrases_are_named_and_used() -> None:
    """The server finds the texts of a script by their names, so each name stands in the call. No text is left that nobody asks for."""
    server = data_folder("static").parent / "server"
    scripts = "\n".join(path.read_text() for path in STATIC.rglob("*.js"))
    calls = re.findall(r"\bphrase\(\s*(.{0,40})", scripts)
    assert [call for call in calls if not re.match(r'"[a-z0-9-]+"|text, values\)', call)] == []
    places = re.findall(
        r"\{\{([a-z0-9-]+)\}\}", "\n".join(path.read_text() for path in [*PAGES, STATIC / "manifest.webmanifest"])
    )
    code = "\n".join(path.read_text() for path in server.rglob("*.py"))
    words = shipped().language("en")
    files = "\n".join(path.read_text() for path in (STATIC / "words" / "en").iterdir())
    inner = re.findall(r"\{ ([a-z][a-z0-9-]*) \}", files)
    asked = {
        *re.findall(r'\bphrase\(\s*"([a-z0-9-]+)"', scripts),
        *places,
        *re.findall(r'"([a-z0-9-]+)"', code),
        *inner,
    }
    assert sorted(set(words.messages) - asked) == []
    assert sorted({*places} - {*words.messages, "lang", "dir", "languages"}) == []
