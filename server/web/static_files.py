"""Prepares the page's files for slow networks: scripts joined, everything compressed, addresses that browsers keep for good."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from server.errors import Refused
from server.protocol.codes import Code
from server.web.bundling import bundle, late_modules, without_comments
from server.web.compression import Encoding, compress, encoding_for
from server.web.first_songs import with_styles

# A smaller file fits into one packet anyway.
_GZIP_BYTES_MIN = 1_000
_TEXT_TYPES = ("text/", "application/manifest+json", "image/svg+xml")
KEPT_FOR_GOOD = "public, max-age=31536000, immutable"
# The modules that pages start. Under an address with a version they contain everything that they import; what they load later
# are scripts of their own.
_ENTRIES = ("app.js", "docs.js", "me.js", "admin/app.js", "wall/app.js", "leaderboard.js")
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
    and a page never mixes files of two versions. `/static/<name>` is the file as it is; browsers ask each time.
    A change in the folder is seen at the next page, so that a contributor only reloads.

    Takes: folder; names that are not there at the start are not served
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        self._modified_ns: tuple[int, ...] = ()
        self._version = ""
        self._prepared: dict[tuple[str, bool], _File] = {}
        self._pages: dict[str, str] = {}
        self._styled: dict[str, tuple[str, list[str]]] = {}

    @property
    def version(self) -> str:
        """A hash of all files."""
        modified_ns = tuple((self._folder / name).stat().st_mtime_ns for name in self._names)
        if modified_ns != self._modified_ns:
            digest = hashlib.blake2b(digest_size=8)
            for name in self._names:
                digest.update(b"%s\0%s\0" % (name.encode(), (self._folder / name).read_bytes()))
            self._version, self._modified_ns = digest.hexdigest(), modified_ns
            self._prepared, self._pages, self._styled = {}, {}, {}
        return self._version

    def page(self, name: str) -> str:
        """An HTML file whose addresses of other files carry the version."""
        version = self.version
        if name not in self._pages:
            text = (self._folder / name).read_text(encoding="utf-8")
            self._pages[name] = re.sub(r'"/static/([\w./-]+)"', rf'"/static/{version}/\1"', text)
        return self._pages[name]

    def styled_page(self, name: str) -> tuple[str, list[str]]:
        """An HTML file with its styles in it, and the sources that its content security policy has to allow."""
        text = self.page(name)
        if name not in self._styled:
            self._styled[name] = with_styles(text, lambda style: self._prepare(style, is_bundled=True).body.decode())
        return self._styled[name]

    def late_addresses(self, entry: str) -> list[str]:
        """The addresses of the modules that a page loads later. Takes: entry, the module that the page starts."""
        return [f"/static/{self.version}/{name}" for name in late_modules(self._folder, entry)]

    def answer(self, request: web.Request, name: str, version: str | None = None) -> web.Response:
        """The answer to a request of a file.

        Raises: Refused: not_found
        """
        if name not in self._names:
            raise Refused(Code.NOT_FOUND, "No such file.")
        # During an upgrade, a page of the other version may ask this node. It gets today's file, and does not keep it.
        is_current = version == self.version
        file = self._prepare(name, is_bundled=version is not None)
        etag = f"{self._version}-{name}"
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

    def _prepare(self, name: str, *, is_bundled: bool) -> _File:
        if (found := self._prepared.get((name, is_bundled))) is not None:
            return found
        is_text = is_bundled and name.endswith((".js", ".css"))
        body = self._bundled(name).encode() if is_text else (self._folder / name).read_bytes()
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        is_worth_it = len(body) >= _GZIP_BYTES_MIN and media_type.startswith(_TEXT_TYPES)
        file = _File(body, media_type, {} if is_worth_it else None)
        self._prepared[name, is_bundled] = file
        return file

    def _bundled(self, name: str) -> str:
        """A script or a style sheet as pages get it."""
        if name in _ENTRIES:
            return bundle(self._folder, name)
        for first in _ENTRIES:
            if name in late_modules(self._folder, first):
                return bundle(self._folder, name, first=first)
        return without_comments((self._folder / name).read_text(encoding="utf-8"))
