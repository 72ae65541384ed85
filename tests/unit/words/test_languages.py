"""Each language has all texts, with their values and its plurals; the page and the server write the same."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel import Locale
from fluent.syntax import ast
from fluent.syntax.visitor import Visitor

from server.settings import data_folder
from server.words.compiling import language_line, with_texts
from server.words.texts import Language, Texts, shipped
from tests.unit.test_page_state import node_binary

TEXTS = shipped()
WORDS = data_folder("static") / "words"
PLURALS = ("zero", "one", "two", "few", "many", "other")
# Numbers of each plural that the languages have, and exact ones.
NUMBERS = (0, 1, 2, 5, 21, 104, 1_000_000)


@pytest.fixture(params=TEXTS.languages)
def words(request: pytest.FixtureRequest) -> Language:
    """Each language. Its files are read for a test, not when this file is collected: each test process does that."""
    return TEXTS.language(request.param)


class _Uses(Visitor):
    """What a text needs: its values, and the variants by each of them."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.variants: list[tuple[str, list[str]]] = []
        self.texts: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:  # noqa: N802
        self.values.add(node.id.name)

    def visit_MessageReference(self, node: ast.MessageReference) -> None:  # noqa: N802
        self.texts.add(node.id.name)

    def visit_SelectExpression(self, node: ast.SelectExpression) -> None:  # noqa: N802
        assert isinstance(node.selector, ast.VariableReference)
        keys = [one.key.name if isinstance(one.key, ast.Identifier) else one.key.value for one in node.variants]
        self.variants.append((node.selector.id.name, keys))
        self.generic_visit(node)


def uses(words: Language, name: str) -> _Uses:
    found = _Uses()
    found.visit(words.messages[name])
    for other in found.texts:
        inner = uses(words, other)
        found.values |= inner.values
        found.variants += inner.variants
    return found


def plurals(words: Language) -> set[str]:
    return {*Locale.parse(words.tag, sep="-").plural_form.tags, "other"}


def own_names(tag: str) -> set[str]:
    return set(
        re.findall(
            r"^([a-z][a-z0-9-]*) =",
            "\n".join(path.read_text() for path in sorted((WORDS / tag).glob("*.ftl"))),
            re.MULTILINE,
        )
    )


def test_a_language_has_all_texts(words: Language) -> None:
    """It has the same texts in the same files as English, and they use the same values."""
    assert own_names(words.tag) == own_names("en")
    assert {path.name for path in (WORDS / words.tag).iterdir()} == {path.name for path in (WORDS / "en").iterdir()}
    english = TEXTS.language("en")
    different = {name for name in english.messages if uses(words, name).values != uses(english, name).values}
    assert different == set()


def test_a_language_has_each_of_its_plurals(words: Language) -> None:
    """A text with a count has a variant for each plural of its language, and no variant that the language does not have."""
    wrong = []
    for name in words.messages:
        for _, keys in uses(words, name).variants:
            is_exact = any(key.isdigit() for key in keys)
            if {*keys} & {*PLURALS} and not is_exact and {*keys} != plurals(words):
                wrong.append((name, keys))
    assert wrong == []


def test_spanish_and_japanese_count_as_they_do() -> None:
    """One vote, two votes, a million votes; Japanese has one form."""
    told = {
        words.tag: [words.text("votes", count=count) for count in (1, 2, 1_000_000)]
        for words in map(TEXTS.language, TEXTS.languages)
    }
    assert told["en"] == ["1 vote", "2 votes", "1,000,000 votes"]
    assert told["es"] == ["1 voto", "2 votos", "1.000.000 de votos"]
    assert told["ja"] == ["1票", "2票", "1,000,000票"]


def examples(words: Language, name: str) -> Iterator[dict[str, str | int]]:
    """Values with which each variant of a text is written."""
    found = uses(words, name)
    choices: dict[str, list[str | int]] = {value: ["Björk"] for value in sorted(found.values)}
    for value, keys in found.variants:
        choices[value] = [*NUMBERS] if {*keys} & {*PLURALS} else [*keys, "another"]
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


PROGRAM = """
import { readFileSync } from "node:fs";
const { phrase } = await import(process.argv[2]);
const cases = JSON.parse(readFileSync(process.argv[3], "utf8"));
console.log(JSON.stringify(cases.map(([name, values]) => phrase(name, values))));
"""


def test_the_page_writes_what_the_server_writes(words: Language, tmp_path: Path) -> None:
    """Every text in every variant is the same from static/words.js and from Fluent's own library."""
    cases = [(name, values) for name in sorted(words.messages) for values in examples(words, name)]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "texts.mjs").write_text(language_line(words, words.messages).replace("self.", "globalThis.", 1))
    (tmp_path / "program.mjs").write_text(PROGRAM)
    script = (data_folder("static") / "words.js").as_uri()
    result = subprocess.run(
        [
            str(node_binary()), "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--import", (tmp_path / "texts.mjs").as_uri(),
            str(tmp_path / "program.mjs"), script, str(tmp_path / "cases.json"),
        ],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    written = json.loads(result.stdout)
    wrong = [(case, text) for case, text in zip(cases, written, strict=True) if text != words.text(case[0], **case[1])]
    assert len(cases) > 300
    assert wrong == []


def test_a_name_in_the_other_direction_is_isolated() -> None:
    """It does not change the order of the words around it. In a language from right to left, every name is isolated."""
    english = TEXTS.language("en")
    assert english.text("follow-artist", artist="نور") == "Follow \u2068نور\u2069"
    assert english.text("follow-artist", artist="Björk") == "Follow Björk"


def test_a_language_that_is_not_there_is_english(tmp_path: Path) -> None:
    """So is a text that a language does not have yet; a new language can grow."""
    for tag, text in (("en", "a = One\nb = Two\n"), ("fr", "a = Un\n")):
        (tmp_path / tag).mkdir()
        (tmp_path / tag / "x.ftl").write_text(text)
    texts = Texts(tmp_path)
    assert texts.languages == ("en", "fr")
    assert texts.names == {"en": "English", "fr": "Français"}
    assert [texts.language(tag).text("a") for tag in ("en", "fr", "xx")] == ["One", "Un", "One"]
    assert texts.language("fr").text("b") == "Two"


@pytest.mark.parametrize("text", ["a = One\nb Two\n", "a = One\na = Two\n", "-term = One\n", "a =\n    .title = One\n"])
def test_a_wrong_file_is_named(text: str, tmp_path: Path) -> None:
    """What is not Fluent, a name that stands twice, a term and a text without words are refused with their file."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "x.ftl").write_text(text)
    with pytest.raises(ValueError, match=r"static/words/en/x\.ftl has"):
        Texts(tmp_path).language("en")


def test_a_wrong_text_is_named(tmp_path: Path) -> None:
    """A page is refused that names a text that is not there, or one with a function, which it does not know."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "x.ftl").write_text("a = { NUMBER($count) }\n")
    words = Texts(tmp_path).language("en")
    with pytest.raises(ValueError, match="there is no text 'b'"):
        with_texts('phrase("b")', words)
    with pytest.raises(ValueError, match="text 'a' has a FunctionReference"):
        with_texts('phrase("a", { count })', words)
    with pytest.raises(ValueError, match="text 'a' in 'en'"):
        words.text("a")
