"""HTTP as one user sees it: JSON in, status and JSON out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from server.people.sessions import mint_token
from tests.support.running_node import SECRET, until

Json = dict[str, Any]


class ApiClient:
    """Asks a node in somebody's name."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, user_id: int, role: str | None = "admin", secret: str = SECRET
    ) -> AsyncIterator[ApiClient]:
        """Takes: role, what the token says; None: nobody."""
        headers = {} if role is None else {"Authorization": f"Bearer {mint_token(secret, user_id, role)}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            yield cls(http, url)

    async def get(self, path: str) -> tuple[int, Json]:
        """The answer to a GET; `path` as it goes over the wire."""
        async with self._http.get(URL(self._url + path, encoded=True)) as response:
            return response.status, await self._json(response)

    async def post(self, path: str, body: Any) -> tuple[int, Json]:
        """The answer to a POST; `body` is JSON, or bytes as they are."""
        given: Json = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self._http.post(self._url + path, **given) as response:
            return response.status, await self._json(response)

    async def ended(self, operation: Json) -> Json:
        """The operation once it has ended."""

        async def end() -> Json | None:
            status, document = await self.get(f"/api/database/operations/{operation['id']}")
            assert status == 200, document
            return document if document["status"] != "running" else None

        document: Json = await until(end)
        return document

    async def done(self, **body: Any) -> Json:
        """An operation on the database, begun and well ended."""
        status, operation = await self.post("/api/database/operations", body)
        assert status == 202, operation
        assert operation["status"] == "running"
        ended = await self.ended(operation)
        assert ended["status"] == "succeeded", ended
        return ended

    @staticmethod
    async def _json(response: aiohttp.ClientResponse) -> Json:
        expected = "application/json" if response.status < 400 else "application/problem+json"
        assert response.content_type == expected, await response.text()
        document: Json = await response.json()
        if response.status >= 400:
            assert document["code"], document
            assert response.status < 500 or response.status == 503, document
        return document
