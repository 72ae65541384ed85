"""Prepares the page's files for slow networks: scripts joined, everything compressed, addresses that browsers keep for good."""

from __future__ import annotations

import hashlib
import html
import mimetypes
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
from aiohttp import web
from rcssmin import cssmin
from rjsmin import jsmin

from server.errors import Refused
from server.protocol.codes import Code
from server.web.bundling import bundle, late_modules, without_comments
from server.web.compression import Encoding, compress, encoding_for
from server.web.first_songs import with_styles
from server.web.languages import language_of
from server.words.compiling import language_line, with_texts
from server.words.texts import DEFAULT_LANGUAGE, Language, Texts

# A smaller file fits into one packet anyway.
_GZIP_BYTES_MIN = 1_000
_TEXT_TYPES = ("text/", "application/manifest+json", "image/svg+xml")
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
# The modules that pages start. Under an address with a version they contain everything that they import; what they load later
# are scripts of their own.
_ENTRIES = ("app.js", "docs.js", "me.js", "signin.js", "admin/app.js", "wall/app.js", "leaderboard.js")
# Files with texts have one address for each language: /static/<version>/<language>/<name>.
_WITH_TEXTS = (*_ENTRIES, "manifest.webmanifest")
# What several pages have.
_PART = re.compile(r"\{\{part:([a-z]+)\}\}\n")
# A template is never longer than a line (bundling.py).
_NESTED_TEMPLATES = re.compile(r"^.*\$\{(?:[^}`\n]|\{[^{}`\n]*\})*`.*$", re.MULTILINE)
_KEPT = re.compile(r"\$kept(\d+)\$")
_PLACE = re.compile(r"\{\{([a-z-]+)\}\}")
mimetypes.add_type("application/manifest+json", ".webmanifest")
mimetypes.add_type("text/javascript", ".js")


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    encoded: dict[Encoding, bytes] | None  # as clients have asked for it; None: it is not worth it


class StaticFiles:
    """The files of a folder and of its folders, each under two addresses.

    `/static/<version>/<name>` is what pages name. The version changes with any file, so browsers keep these answers for good,
    and a page never mixes files of two versions. `/static/<name>` is the file as it is; browsers ask each time. Scripts with
    texts have an address for each language, `/static/<version>/<language>/<name>`: a reader gets one language only.
    A change in the folder is seen at the next page, so that a contributor only reloads.

    Takes: folder; names that are not there at the start are not served
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        # Strings, because each request asks for the times of all files: a Path takes three times as long.
        self._paths = [str(folder / name) for name in self._names]
        self._modified_ns: list[int] = []
        self._version = ""
        self._texts = Texts(folder / "words")
        self._prepared: dict[tuple[str, str | None], _File] = {}
        self._pages: dict[tuple[str, str], str] = {}
        self._styled: dict[tuple[str, str], tuple[str, list[str]]] = {}

    @property
    def version(self) -> str:
        """A hash of all files."""
        modified_ns = [os.stat(path).st_mtime_ns for path in self._paths]  # noqa: PTH116
        if modified_ns != self._modified_ns:
            digest = hashlib.blake2b(digest_size=8)
            for name in self._names:
                digest.update(b"%s\0%s\0" % (name.encode(), (self._folder / name).read_bytes()))
            self._version, self._modified_ns = digest.hexdigest(), modified_ns
            self._texts = Texts(self._folder / "words")
            self._prepared, self._pages, self._styled = {}, {}, {}
        return self._version

    def page(self, name: str, language: str = DEFAULT_LANGUAGE) -> str:
        """An HTML file in a language. Its addresses of other files carry the version, and the language where they have texts."""
        version = self.version
        if (name, language) not in self._pages:

            def address(found: re.Match[str]) -> str:
                folder = f"{version}/{language}" if found[1] in _WITH_TEXTS else version
                return f'"/static/{folder}/{found[1]}"'

            text = _PART.sub(self._part, (self._folder / name).read_text(encoding="utf-8"))
            text = self._filled(text, language, html.escape)
            self._pages[name, language] = re.sub(r'"/static/([\w./-]+)"', address, text)
        return self._pages[name, language]

    def _part(self, found: re.Match[str]) -> str:
        """A part of a page, a file in the folder `parts`."""
        return (self._folder / "parts" / f"{found[1]}.html").read_text(encoding="utf-8")

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return name in self._names

    def page_for(self, request: web.Request, name: str) -> str:
        """An HTML file in the language of its reader."""
        return self.page(name, self.words_for(request).tag)

    def words_for(self, request: web.Request) -> Language:
        """The texts in the language of a request."""
        return language_of(request, self._texts)

    def _filled(self, text: str, language: str, escape: Callable[[str], str]) -> str:
        """A file with texts in the places that name them."""
        words = self._texts.language(language)
        languages = "".join(
            f'<option value="{tag}" lang="{tag}"{" selected" if tag == language else ""}>{html.escape(name)}</option>'
            for tag, name in self._texts.names.items()
        )
        special = {"lang": language, "dir": words.direction, "languages": languages}
        return _PLACE.sub(lambda found: special.get(found[1]) or escape(words.text(found[1])), text)

    def styled_page(self, name: str, language: str = DEFAULT_LANGUAGE) -> tuple[str, list[str]]:
        """An HTML file with its styles in it, and the sources that its content security policy has to allow."""
        text = self.page(name, language)
        if (name, language) not in self._styled:
            styled = with_styles(text, lambda style: self._prepare(style, language).body.decode())
            self._styled[name, language] = styled
        return self._styled[name, language]

    def late_names(self, entry: str) -> list[str]:
        """The modules and styles that a page loads later. Takes: entry, the module that the page starts."""
        return [*late_modules(self._folder, entry), "pages.css"]

    def answer(self, request: web.Request, name: str, version: str | None = None) -> web.Response:
        """The answer to a request of a file.

        Raises: Refused: not_found
        """
        language, _, rest = name.partition("/")
        if version is not None and language in self._texts.languages:
            name = rest
        else:
            language = DEFAULT_LANGUAGE
        if not self.has(name):
            raise Refused(Code.NOT_FOUND, "No such file.")
        # During an upgrade, a page of the other version may ask this node. It gets today's file, and does not keep it.
        is_current = version == self.version
        file = self._prepare(name, None if version is None else language)
        etag = f"{self._version}-{language}-{name}"
        headers = {"Cache-Control": KEPT_FOR_GOOD if is_current else "no-cache", "Vary": "Accept-Encoding"}
        if any(tag.value == etag for tag in request.if_none_match or ()):
            response = web.Response(status=304, headers=headers)
        else:
            encoding = None if file.encoded is None else encoding_for(request)
            if file.encoded is not None and encoding is not None:
                if encoding not in file.encoded:
                    file.encoded[encoding] = compress(file.body, encoding, is_kept=True)
                headers["Content-Encoding"] = encoding
                response = web.Response(body=file.encoded[encoding], headers=headers)
            else:
                response = web.Response(body=file.body, headers=headers)
            response.content_type = file.media_type
            if file.media_type.startswith("text/"):
                response.charset = "utf-8"
        response.etag = etag
        return response

    def _prepare(self, name: str, language: str | None) -> _File:
        """A file as it is sent. Takes: language, None: as it is in the folder."""
        if (found := self._prepared.get((name, language))) is not None:
            return found
        body = (self._folder / name).read_bytes() if language is None else self._made(name, language)
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        is_worth_it = len(body) >= _GZIP_BYTES_MIN and media_type.startswith(_TEXT_TYPES)
        file = _File(body, media_type, {} if is_worth_it else None)
        self._prepared[name, language] = file
        return file

    def _made(self, name: str, language: str) -> bytes:
        """A file as pages get it: scripts joined, without comments, and with their texts."""
        if name.endswith(".js"):
            return self._script(name, self._texts.language(language)).encode()
        if name == "manifest.webmanifest":
            text = (self._folder / name).read_text(encoding="utf-8")
            return self._filled(text, language, lambda one: msgspec.json.encode(one).decode()[1:-1]).encode()
        if name.endswith(".css"):
            return str(cssmin((self._folder / name).read_text(encoding="utf-8"))).encode()
        return (self._folder / name).read_bytes()

    def _script(self, name: str, words: Language) -> str:
        if name in _ENTRIES:
            return shortened(language_line(words) + with_texts(bundle(self._folder, name), words))
        for first in _ENTRIES:
            if name in late_modules(self._folder, first):
                return shortened(with_texts(bundle(self._folder, name, first=first), words))
        return without_comments((self._folder / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=2)
def files_of(folder: Path) -> StaticFiles:
    """The files of a folder, the same for all nodes of this process: what one has joined and compressed, no other does again."""
    return StaticFiles(folder)


def shortened(script: str) -> str:
    """A script without what only people need. A regular expression behind `=>` is not understood: it needs a name.

    rjsmin takes a template in another one for code, and its spaces out. So lines that have one stay as they are.
    """
    kept: list[str] = []

    def keep(line: re.Match[str]) -> str:
        kept.append(line[0])
        return f"$kept{len(kept) - 1}$"

    return _KEPT.sub(lambda place: kept[int(place[1])], str(jsmin(_NESTED_TEMPLATES.sub(keep, script))))
