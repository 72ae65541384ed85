"""Joins the page's modules to one script, so that a phone with a slow network asks once and not twenty times.

The modules in static/ run unbundled too. They use a small part of the module syntax, and only this part is understood:
`import { a, b as c } from "./x.js"` or from "../x.js", `import * as x from "./x.js"`, `export` before a function, class or const,
`export { a, b }`, and `import("./x.js")` of a module that is loaded later. Such a module is a script of its own: what the first script
holds already, it takes from there, so that no module runs twice.

Comments are left out, and so are empty lines and what lines are moved in by. They are a third of what a phone would load. So a
template literal has one line.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache, partial
from pathlib import Path

_IMPORT = re.compile(r'^import\s+(\*\s+as\s+\w+|\{[^}]*\})\s+from\s+"(\.\.?/[\w./-]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+function|function|class|const)\s+(\w+))", re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export \{ ([\w, ]+) \};\n", re.MULTILINE)
# The look behind the word is `\b` before it, and 25 times as fast: the search begins with a plain text.
_LATE = re.compile(r'import(?<!\wimport)\("(\.\.?/[\w./-]+)"\)')
_COMMENT = re.compile(r"^[ \t]*(?:/\*(?:(?!\*/).)*\*/[ \t]*|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
# Code goes before it on its line. With a quote behind it, it may stand in a text.
_END_COMMENT = re.compile(r"[ \t]+//[^\n\"'`]*$|\n(?=\n)", re.MULTILINE)
_INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)
_NOT_UNDERSTOOD = re.compile(r"^(?:import|export)\b.*|\bimport\s*\(.*|\bimport\.meta.*", re.MULTILINE)


def bundle(folder: Path, entry: str, *, first: str | None = None) -> str:
    """Joins a module and everything that it imports to one module.

    Takes:  folder, of the modules; entry, the name of the module that the page starts, or loads later; first, then the module
            that the page has started with
    Raises: ValueError, an import or export in another form, or modules that import each other in a circle
    """
    parts = _parts(folder, entry)
    if first is not None:
        there = _parts(folder, first)
        taken = sorted(name for name in parts if name in there)
        address = _address(entry, first)
        head = f'import {{ {", ".join(map(_variable, taken))} }} from "{address}";\n' if taken else ""
        # What the entry exports, the page gets from import().
        exported = _exported((folder / entry).read_text(encoding="utf-8"))
        tail = f"export const {{ {', '.join(exported)} }} = {_variable(entry)};\n"
        return head + "".join(text for name, text in parts.items() if name not in there) + tail
    if late_modules(folder, entry):
        return "".join(parts.values()) + f"export {{ {', '.join(map(_variable, parts))} }};\n"
    return "".join(parts.values())


def late_modules(folder: Path, entry: str) -> list[str]:
    """The modules that a page loads later, each by its name in the folder."""
    found = {
        _file_of(name, address)
        for name in _parts(folder, entry)
        for address in _LATE.findall((folder / name).read_text(encoding="utf-8"))
    }
    return sorted(found)


def without_comments(text: str) -> str:
    """A script or a style sheet without the comments that have lines of their own."""
    return _COMMENT.sub("", text)


def _parts(folder: Path, entry: str) -> dict[str, str]:
    """An entry and what it imports, each as a function, in the order in which they run."""
    parts: dict[str, str] = {}

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            circle = " -> ".join([*importers[importers.index(name) :], name])
            raise ValueError(f"static modules import each other in a circle: {circle}. Cut one of these imports.")
        if name in parts:
            return
        text = (folder / name).read_text(encoding="utf-8")
        for _, imported in _IMPORT.findall(text):
            add(_file_of(name, imported), (*importers, name))
        parts[name] = _as_function(name, text, entry)

    add(entry, ())
    return parts


def _as_function(name: str, text: str, entry: str) -> str:
    """A module as a function that runs once and gives its exports; so names of different modules never meet."""
    body = _LATE.sub(lambda found: f'import("{_address(entry, _file_of(name, found[1]))}")', _body(name, text))
    return (
        f"// {name}\nconst {_variable(name)} = (() => {{\n{body}\nreturn {{ {', '.join(_exported(text))} }};\n}})();\n"
    )


# Each page and each script that is loaded later has most modules of the others: without this, a node spends a second on them.
@lru_cache(maxsize=256)
def _body(name: str, text: str) -> str:
    """What a module does, without comments; its imports are assignments, except those of modules that are loaded later."""
    body = _EXPORT_LIST.sub("", _EXPORT.sub("", _IMPORT.sub(partial(_as_assignment, name), without_comments(text))))
    for line in body.splitlines():
        if line.replace('"`"', "").count("`") % 2:
            raise ValueError(
                f"static/{name} has a template literal of several lines: `{line.strip()}`. Write it in one line."
            )
    body = _END_COMMENT.sub("", _INDENTATION.sub("", body))
    if found := _NOT_UNDERSTOOD.search(_LATE.sub("", body)):
        raise ValueError(
            f'static/{name} has `{found[0].strip()}`. Write imports as `import {{ a }} from "./x.js"` and exports as '
            "`export` before a function, class or const."
        )
    return body


@lru_cache(maxsize=256)
def _exported(text: str) -> tuple[str, ...]:
    """The names that a module exports."""
    lists = [name for names in _EXPORT_LIST.findall(text) for name in names.split(", ")]
    return (*_EXPORT.findall(text), *lists)


def _address(importer: str, name: str) -> str:
    """How a module names another one."""
    path = posixpath.relpath(name, posixpath.dirname(importer) or ".")
    return path if path.startswith("../") else f"./{path}"


def _file_of(importer: str, address: str) -> str:
    """The name of an imported file in the folder of all modules."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), address))


def _as_assignment(importer: str, found: re.Match[str]) -> str:
    names, source = found[1], _variable(_file_of(importer, found[2]))
    if names.startswith("*"):
        return f"const {names.split()[-1]} = {source};\n"
    renamed = re.sub(r"\s+as\s+", ": ", names)
    return f"const {renamed} = {source};\n"


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", name.removesuffix(".js"))
