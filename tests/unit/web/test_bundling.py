"""The modules of the page as one script."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rcssmin import cssmin

from server.settings import data_folder
from server.web.bundling import bundle, late_modules, without_comments
from server.web.compression import Encoding, compress
from server.web.static_files import shortened
from server.words.compiling import with_texts
from server.words.texts import shipped
from tests.unit.test_page_state import node_binary

MODULES = {
    "app.js": """import { add as plus, ONE } from "./numbers.js";
import * as words from "./words.js";
import {
  Counter,
} from "./counters/counter.js";

const local = "app";
const counter = new Counter();
counter.count();
console.log(plus(ONE, 2), words.greet("you"), counter.value, local);
""",
    "numbers.js": "export const ONE = 1;\nconst local = 1;\nexport function add(a, b) {\n  return a + b * local;\n}\n",
    "words.js": "const local = 'Hello ';\nfunction greet(name) {\n  return local + name;\n}\nexport { greet };\n",
    "counters/counter.js": """import { add } from "../numbers.js";

export class Counter {
  value = 0;
  count() { this.value = add(this.value, 1); }
}
export async function never() {}
""",
}


def write(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(path: Path) -> str:
    result = subprocess.run([str(node_binary()), str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    """Each form of import and export works, equal names in different modules do not meet, and each module runs once."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    write(tmp_path, MODULES)
    expected = run(tmp_path / "app.js")
    (tmp_path / "bundle.mjs").write_text(shortened(bundle(tmp_path, "app.js")))
    assert run(tmp_path / "bundle.mjs") == expected == "3 Hello you 1 app\n"


LATE = {
    "app.js": """import { add } from "./numbers.js";
import { kinds } from "./later/kinds.js";

console.log(add(1, 1));
kinds.later().then(({ draw, NAME }) => console.log(NAME, draw()));
""",
    "numbers.js": "let count = 0;\nexport function add(a, b) {\n  count += 1;\n  return a + b + count * 10;\n}\n",
    "later/kinds.js": """export const kinds = { later: () => import("./page.js") };
""",
    "later/page.js": """import { add } from "../numbers.js";
import { own } from "./own.js";
export const NAME = "later";
export function draw() {
  return add(own, 2);
}
""",
    "later/own.js": "export const own = 5;\n",
}


def test_a_page_that_is_loaded_later_shares_what_is_there(tmp_path: Path) -> None:
    """Its script has only what the first one lacks: a module that both use runs once, and keeps its state."""
    write(tmp_path, LATE | {"package.json": '{"type": "module"}'})
    expected = run(tmp_path / "app.js")
    assert late_modules(tmp_path, "app.js") == ["later/page.js"]
    joined = tmp_path / "joined"
    late = bundle(tmp_path, "later/page.js", first="app.js")
    write(joined, {"package.json": '{"type": "module"}', "app.js": bundle(tmp_path, "app.js"), "later/page.js": late})
    assert run(joined / "app.js") == expected == "12\nlater 27\n"
    assert ("const module_numbers " in late, "const module_later_own " in late) == (False, True)


def test_comments_are_not_sent() -> None:
    """Comments with lines of their own are left out; what only looks like one stays."""
    text = """/** What it is. */
const url = "https://example.org/*"; // why
  /*
   * For whom.
   */
  // Because.
const pattern = /\\/\\*.*\\*\\//; /* kept */
.a { content: "//"; } /* kept
*/
"""
    assert (
        without_comments(text)
        == """const url = "https://example.org/*"; // why
const pattern = /\\/\\*.*\\*\\//; /* kept */
.a { content: "//"; } /* kept
*/
"""
    )


@pytest.mark.parametrize("entry", ["app.js", "docs.js", "me.js", "leaderboard.js", "admin/app.js"])
def test_the_pages_are_bundled(entry: str, tmp_path: Path) -> None:
    """The script of each page is complete and has no syntax error."""
    text = shortened(bundle(data_folder("static"), entry))
    assert text.count("const module_dom=") == 1
    (tmp_path / "page.mjs").write_text(text)
    checked = subprocess.run(
        [str(node_binary()), "--check", str(tmp_path / "page.mjs")], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_a_template_in_a_template_keeps_its_spaces() -> None:
    """Texts for readers are what people wrote, and what stands around them is still shortened."""
    line = 'const a = `x ${y ? `, and ${z}` : ""}, and b`;'
    assert shortened(f"let y = 1; // why\n{line}\nlet w = `a  ${{y}} b`;\n") == f"let y=1;{line}\nlet w=`a  ${{y}} b`;"


SENT_BYTES_MAX = 60 * 1024
DOCUMENT_BYTES = 3_000  # with the data in it
# What the page of a show loads by itself after its songs are there.
LATE_OF_SHOW = ("pick-view.js",)


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_a_page_is_small(encoding: Encoding) -> None:
    """Its script in the longest language, its styles, what is loaded later and the document are at most 60 KB over the wire, with Brotli
    and with gzip, which services without TLS send. tests/browser/test_weight.py counts what a browser asks for.
    """
    folder = data_folder("static")
    languages = [shipped().language(tag) for tag in shipped().languages]

    def sent(*texts: str) -> int:
        return sum(len(compress(text.encode(), encoding, is_kept=True)) for text in texts)

    def longest(script: str) -> int:
        return max(sent(shortened(with_texts(script, words))) for words in languages)

    styles = [cssmin((folder / name).read_text()) for name in ("style.css", "shows.css", "pages.css")]
    first = longest(bundle(folder, "app.js")) + sent(*styles)
    late = {name: longest(bundle(folder, name, first="app.js")) for name in late_modules(folder, "app.js")}
    assert set(late) >= {"artist-page.js", "venue-page.js", "song-page.js"}
    assert first + max(*late.values(), sum(late[name] for name in LATE_OF_SHOW)) < SENT_BYTES_MAX - DOCUMENT_BYTES


@pytest.mark.parametrize(
    "line",
    [
        'import thing from "./other.js";',
        'import "./other.js";',
        'import { a } from "other";',
        "export default 1;",
        "export let changing = 1;",
        'export * from "./other.js";',
        "const other = await import(name);",
        "const here = import.meta.url;",
    ],
)
def test_another_form_is_named(line: str, tmp_path: Path) -> None:
    """A form that the bundle does not understand is refused with the file and the line, before a browser meets it."""
    write(tmp_path, {"app.js": f"{line}\n", "other.js": "export const a = 1;\n"})
    with pytest.raises(ValueError, match=r"static/app\.js has") as caught:
        bundle(tmp_path, "app.js")
    assert line.removeprefix("const other = await ").removeprefix("const here = ") in str(caught.value)


def test_a_text_of_several_lines_is_named(tmp_path: Path) -> None:
    """Its lines would lose what they are moved in by."""
    write(tmp_path, {"app.js": "const text = `one\n  two`;\n"})
    with pytest.raises(
        ValueError, match=r"static/app\.js has a template literal of several lines: `const text = `one`"
    ):
        bundle(tmp_path, "app.js")


def test_a_circle_is_named(tmp_path: Path) -> None:
    """Modules that import each other are refused: one of them would run before what it needs."""
    write(
        tmp_path,
        {"app.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./app.js";\nexport const b = 1;\n'},
    )
    with pytest.raises(ValueError, match=r"app\.js -> b\.js -> app\.js"):
        bundle(tmp_path, "app.js")
