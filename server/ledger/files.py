"""The public files of a server, or of a copy of them in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from server.ledger.audit import Get, Hidden, Missing

TIMEOUT_S = 20.0
FILE_BYTES_MAX = 4 * 1024 * 1024
# Files are small and mostly hashes. What a server compresses nevertheless is not unpacked: a few bytes could become gigabytes.
_HEADERS = {"Accept-Encoding": "identity"}


@asynccontextmanager
async def public_files(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Get]:
    """Opens the files at an address, https://, http:// or file://, for the length of the block.

    It follows no redirect: a server could lead this program into the network that it runs in.

    Takes: timeout_s, for a whole file
    Gives: a function that gives a file by its path; it raises Hidden and Missing
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        yield _folder(Path(unquote(parts.path)))
        return
    async with httpx.AsyncClient(base_url=url.rstrip("/") + "/", timeout=timeout_s, headers=_HEADERS) as client:

        async def get(path: str) -> bytes:
            try:
                async with asyncio.timeout(timeout_s):
                    return await _read(client, url, path)
            except TimeoutError as error:
                raise Missing(f"{url}/{path} cannot be read: it takes more than {timeout_s:g} s") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Missing(
                    f"{url}/{path} cannot be read: {str(error).rstrip('.') or type(error).__name__}"
                ) from error

        yield get


async def _read(client: httpx.AsyncClient, url: str, path: str) -> bytes:
    async with client.stream("GET", path) as answer:
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise Hidden(path)
        if answer.is_redirect:
            raise Missing(f"{url}/{path} leads to {answer.headers['Location']}; give the address that it leads to")
        if answer.status_code != httpx.codes.OK:
            raise Missing(f"{url}/{path} cannot be read: the server answers {answer.status_code}")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Missing(f"{url}/{path} is compressed, which this program did not ask for")
        content = bytearray()
        async for part in answer.aiter_raw():
            content += part
            if len(content) > FILE_BYTES_MAX:
                raise Missing(f"{url}/{path} has more than {FILE_BYTES_MAX} bytes")
        return bytes(content)


def _folder(folder: Path) -> Get:
    async def get(path: str) -> bytes:
        try:
            with (folder / path).open("rb") as file:
                content = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            # Whoever copied the files could not copy what was hidden.
            if "/tile/entries/" in path or path.endswith("/results"):
                raise Hidden(path) from None
            raise Missing(f"{folder / path} is missing") from None
        except OSError as error:
            raise Missing(f"{folder / path} cannot be read: {error.strerror}") from error
        if len(content) > FILE_BYTES_MAX:
            raise Missing(f"{folder / path} has more than {FILE_BYTES_MAX} bytes")
        return content

    return get
