"""Writes texts into the scripts of pages as data for static/words.js, so that a page needs no parser and gets one language only.

A text is a string, or a list of its parts: a string; `[name]`, a value; `[name, variants, default]`, the variant of a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from babel.plural import to_javascript
from fluent.syntax import ast

from server.words.texts import Language

Text = str | list[Any]
# How a script of a page asks for a text.
_PHRASE = re.compile(r'\bphrase\(\s*"([a-z0-9-]+)"(\)?)')


def with_texts(script: str, language: Language) -> str:
    """A script of a page in which each text stands where the script names it.

    Raises: ValueError, a text is missing, or has a part that pages do not know
    """

    def written(found: re.Match[str]) -> str:
        text = _text_of(found[1], language.messages)
        # A text without values needs no call.
        return _json(text) if isinstance(text, str) and found[2] else f"phrase({_json(text)}{found[2]}"

    return _PHRASE.sub(written, script)


def language_line(language: Language, names: Iterable[str] = ()) -> str:
    """A line of JavaScript before the first script of a page: the language and its plural rule.

    Takes: names, of texts for scripts that still name them, as in tests
    """
    # Babel leaves `c` and `e` free in some rules: the exponent of a compact number, such as 6 in "1 M". We write none.
    plural = f"(function(){{var c=0,e=0;return {to_javascript(language.locale.plural_form)}}})()"
    texts = _json({name: _text_of(name, language.messages) for name in sorted(names)})
    head = f'"language":"{language.tag}","direction":"{language.direction}","plural":{plural}'
    return f'self.mysetlistWords={{{head},"phrases":{texts}}};\n'


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _text_of(name: str, messages: Mapping[str, ast.Message]) -> Text:
    if name not in messages:
        raise ValueError(f"there is no text {name!r}. Write it into a file in static/words/en/.")
    value = messages[name].value
    assert value is not None
    return _compile(name, value, messages)


def _compile(name: str, pattern: ast.Pattern, messages: Mapping[str, ast.Message]) -> Text:
    parts: list[Any] = []
    for element in pattern.elements:
        found = [element.value] if isinstance(element, ast.TextElement) else _placeable(name, element, messages)
        for part in found:
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def _placeable(name: str, placeable: ast.Placeable, messages: Mapping[str, ast.Message]) -> list[Any]:
    match placeable.expression:
        case ast.VariableReference(id=variable):
            return [[variable.name]]
        case ast.StringLiteral() as literal:
            return [literal.parse()["value"]]
        case ast.SelectExpression(selector=ast.VariableReference(id=variable), variants=variants):
            texts = {_key(one): _compile(name, one.value, messages) for one in variants}
            [default] = [_key(one) for one in variants if one.default]
            return [[variable.name, texts, default]]
        case ast.MessageReference(id=other, attribute=None):
            text = _text_of(other.name, messages)
            return [text] if isinstance(text, str) else text
        case other:
            raise ValueError(
                f"text {name!r} has a {type(other).__name__}, which pages do not know. Use values, variants and other texts."
            )


def _key(variant: ast.Variant) -> str:
    return variant.key.name if isinstance(variant.key, ast.Identifier) else variant.key.value
