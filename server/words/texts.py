"""The texts that people read. A page gets the texts that its script names. Emails and HTML files ask for one text at a time."""

from __future__ import annotations

import unicodedata
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.settings import data_folder

if TYPE_CHECKING:
    from fluent.runtime import FluentBundle
    from fluent.syntax import ast

DEFAULT_LANGUAGE = "en"


class Texts:
    """The texts of all languages. A text that a language does not have yet is English.

    Takes: folder, with one folder of Fluent files for each language, named by its tag, such as `es` or `pt-BR`
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spoken: dict[str, Language] = {}
        self.languages = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))

    def language(self, tag: str) -> Language:
        """The texts of a language; of English, if there are none in this language."""
        tag = tag if tag in self.languages else DEFAULT_LANGUAGE
        if tag not in self._spoken:
            english = None if tag == DEFAULT_LANGUAGE else self.language(DEFAULT_LANGUAGE)
            self._spoken[tag] = Language(self._folder / tag, english)
        return self._spoken[tag]

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each language in that language, by its tag."""
        from babel import Locale

        names = {tag: Locale.parse(tag, sep="-").get_display_name() or tag for tag in self.languages}
        return {tag: name[0].upper() + name[1:] for tag, name in names.items()}


@lru_cache(maxsize=1)
def shipped() -> Texts:
    """The texts that are shipped with the code."""
    return Texts(data_folder("static") / "words")


class Language:
    """The texts of one language.

    Takes:  folder, of its files; english, for the texts that this language lacks, None: it is English itself
    Raises: ValueError, a file has an entry that is not Fluent
    """

    def __init__(self, folder: Path, english: Language | None) -> None:
        # The parser and the plural rules take longer to import than the command line may take to start.
        from babel import Locale

        self.tag = folder.name
        self.locale = Locale.parse(self.tag, sep="-")
        self.direction = self.locale.text_direction
        self.messages: dict[str, ast.Message] = dict(english.messages if english else {})
        for file in sorted(folder.glob("*.ftl")):
            self.messages |= _parse(file, file.stat().st_mtime_ns)

    @cached_property
    def _bundle(self) -> FluentBundle:
        from fluent.runtime import FluentBundle
        from fluent.syntax import ast

        bundle = FluentBundle([self.tag], use_isolating=False)
        bundle.add_resource(ast.Resource(list(self.messages.values())))
        return bundle

    def text(self, name: str, /, **values: str | int) -> str:
        """One text with its values. Numbers are written as is usual in this language; other values are isolated.

        Raises: KeyError, there is no such text; ValueError, a value is missing
        """
        message = self._bundle.get_message(name)
        assert message.value is not None
        given = {key: self.isolated(value) if isinstance(value, str) else value for key, value in values.items()}
        text, errors = self._bundle.format_pattern(message.value, given)
        if errors:
            raise ValueError(f"text {name!r} in {self.tag!r}: {errors[0]}")
        return str(text)

    def isolated(self, value: str) -> str:
        """A value that does not change the order of the words around it (Unicode Annex 9), as `isolated` in static/words.js."""
        if self.direction == "rtl" or any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in value):
            return f"\N{FIRST STRONG ISOLATE}{value}\N{POP DIRECTIONAL ISOLATE}"
        return value


@lru_cache(maxsize=100)
def _parse(file: Path, _modified_ns: int) -> dict[str, Any]:
    from fluent.syntax import FluentParser, ast

    found: dict[str, ast.Message] = {}
    for entry in FluentParser(with_spans=False).parse(file.read_text(encoding="utf-8")).body:
        if isinstance(entry, ast.Message) and entry.value is not None and entry.id.name not in found:
            found[entry.id.name] = entry
        elif not isinstance(entry, ast.BaseComment):
            where = f"{file.parent.name}/{file.name}"
            what = (entry.content or "").split("\n")[0] if isinstance(entry, ast.Junk) else entry.id.name
            raise ValueError(
                f"static/words/{where} has `{what}`, which is no new text of Fluent. Write `name = Text`, each name once, "
                "and indent the lines after the first one."
            )
    return found
