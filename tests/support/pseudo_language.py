"""A language that nobody speaks: the English texts in Hebrew letters, from right to left. What stays Latin is no text of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

from fluent.syntax import FluentParser, FluentSerializer, ast
from fluent.syntax.visitor import Transformer

from server.settings import data_folder

TAG = "he"
_LETTERS = "אבגדהוזחטיכלמנסעפצקרשתםןףץ"
_TABLE = {ord(letter): _LETTERS[number] for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
_AS_THEY_ARE = {"letter-date-pattern"}  # a pattern, whose letters have a meaning


class _Hebrew(Transformer):
    def visit_TextElement(self, node: ast.TextElement) -> ast.TextElement:  # noqa: N802
        # The name of the service is no text.
        parts = node.value.split("MySetlist")
        node.value = "MySetlist".join(part.lower().translate(_TABLE) for part in parts)
        return node


def write_language(folder: Path) -> None:
    """Adds the language to a folder of languages."""
    parser, serializer = FluentParser(), FluentSerializer()
    (folder / TAG).mkdir()
    for file in (folder / "en").glob("*.ftl"):
        resource = parser.parse(file.read_text())
        for entry in resource.body:
            if isinstance(entry, ast.Message) and entry.id.name not in _AS_THEY_ARE:
                _Hebrew().visit(entry)
        (folder / TAG / file.name).write_text(serializer.serialize(resource))


def static_folder(folder: Path) -> Path:
    """The files of all pages, with this language."""
    copy = folder / "static"
    shutil.copytree(data_folder("static"), copy)
    write_language(copy / "words")
    return copy
