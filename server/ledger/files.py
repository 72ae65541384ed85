"""The public files of a server, or of a copy of them in a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from server.ledger.audit import Get, Hidden, Missing

TIMEOUT_S = 20.0
FILE_BYTES_MAX = 4 * 1024 * 1024


@asynccontextmanager
async def public_files(url: str) -> AsyncIterator[Get]:
    """Opens the files at an address, https://, http:// or file://, for the length of the block.

    Gives: a function that gives a file by its path; it raises Hidden and Missing
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        yield _folder(Path(unquote(parts.path)))
        return
    async with httpx.AsyncClient(base_url=url.rstrip("/") + "/", timeout=TIMEOUT_S, follow_redirects=True) as client:

        async def get(path: str) -> bytes:
            try:
                answer = await client.get(path)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Missing(f"{url}/{path} cannot be read: {str(error) or type(error).__name__}") from error
            if answer.status_code == httpx.codes.FORBIDDEN:
                raise Hidden(path)
            if answer.status_code != httpx.codes.OK:
                raise Missing(f"{url}/{path} cannot be read: the server answers {answer.status_code}")
            if len(answer.content) > FILE_BYTES_MAX:
                raise Missing(f"{url}/{path} has more than {FILE_BYTES_MAX} bytes")
            return answer.content

        yield get


def _folder(folder: Path) -> Get:
    async def get(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except FileNotFoundError:
            # Whoever copied the files could not copy what was hidden.
            if "/tile/entries/" in path or path.endswith("/results"):
                raise Hidden(path) from None
            raise Missing(f"{folder / path} is missing") from None
        except OSError as error:
            raise Missing(f"{folder / path} cannot be read: {error.strerror}") from error

    return get
