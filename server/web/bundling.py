"""Joins the page's modules to one script, so that a phone with a slow network asks once and not twenty times.

The modules in static/ run unbundled too. They use a small part of the module syntax, and only this part is understood:
`import { a, b as c } from "./x.js"` or from "../x.js", `import * as x from "./x.js"`, `export` before a function, class or const,
and `export { a, b }`.
"""

from __future__ import annotations

import posixpath
import re
from functools import partial
from pathlib import Path

_IMPORT = re.compile(r'^import\s+(\*\s+as\s+\w+|\{[^}]*\})\s+from\s+"(\.\.?/[\w./-]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+function|function|class|const)\s+(\w+))", re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export \{ ([\w, ]+) \};\n", re.MULTILINE)
_NOT_UNDERSTOOD = re.compile(r"^(?:import|export)\b.*|\bimport\s*\(.*|\bimport\.meta.*", re.MULTILINE)


def bundle(folder: Path, entry: str) -> str:
    """Joins a module and everything that it imports to one module.

    Takes:  folder, of the modules; entry, the name of the module that the page starts
    Raises: ValueError, an import or export in another form, or modules that import each other in a circle
    """
    parts: dict[str, str] = {}  # in the order in which they run

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            circle = " -> ".join([*importers[importers.index(name) :], name])
            raise ValueError(f"static modules import each other in a circle: {circle}. Cut one of these imports.")
        if name in parts:
            return
        text = (folder / name).read_text(encoding="utf-8")
        for _, imported in _IMPORT.findall(text):
            add(_file_of(name, imported), (*importers, name))
        parts[name] = _as_function(name, text)

    add(entry, ())
    return "".join(parts.values())


def _as_function(name: str, text: str) -> str:
    """A module as a function that runs once and gives its exports; so names of different modules never meet."""
    exported = [*_EXPORT.findall(text), *_EXPORT_LIST.findall(text)]
    body = _EXPORT_LIST.sub("", _EXPORT.sub("", _IMPORT.sub(partial(_as_assignment, name), text)))
    if found := _NOT_UNDERSTOOD.search(body):
        raise ValueError(
            f'static/{name} has `{found[0].strip()}`. Write imports as `import {{ a }} from "./x.js"` and exports as '
            "`export` before a function, class or const."
        )
    return f"// {name}\nconst {_variable(name)} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


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
