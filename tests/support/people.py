"""Users and staff who send HTTP requests to a node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.identity import Identity
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET


@dataclass(frozen=True)
class Person:
    """A user with a token, or an anonymous client without one."""

    id: int
    role: str
    http: aiohttp.ClientSession
    url: str
    token: str | None

    @property
    def identity(self) -> Identity:
        """The identity that row security checks."""
        return Identity(self.id, self.role)

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Sends a request; gives the status and the JSON, None if there is no body."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        if isinstance(body, bytes):
            given: dict[str, Any] = {"data": body}
        else:
            given = {} if body is None else {"json": body}
        async with self.http.request(method, URL(self.url + path, encoded=True), headers=headers, **given) as response:
            status = response.status
            if status == 204:
                return status, None
            problem = "application/problem+json"
            assert response.content_type == ("application/json" if status < 400 else problem), await response.text()
            return status, await response.json()

    async def ok(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Sends a request that must succeed; gives the JSON."""
        given, document = await self.ask(method, path, body)
        assert given == status, (method, path, document)
        return document

    async def refused(self, method: str, path: str, body: Any = None) -> str:
        """Sends a request that must be refused; gives the code."""
        status, document = await self.ask(method, path, body)
        assert status >= 400, (method, path, document)
        code: str = document["code"]
        return code

    async def pages(self, path: str, limit: int) -> list[Any]:
        """Reads all items of a list, page by page."""
        items: list[Any] = []
        cursor = ""
        while True:
            page = await self.ok("GET", f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
            assert len(page["items"]) <= limit
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = f"&cursor={page['next']}"


class People:
    """Creates users and staff of a node."""

    def __init__(self, node: Node, factory: RowFactory, http: aiohttp.ClientSession) -> None:
        self._node = node
        self.factory = factory
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, node: Node, factory: RowFactory) -> AsyncIterator[People]:
        """Opens an HTTP client for the users of this node."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield cls(node, factory, http)

    async def person(self, role: str = "user") -> Person:
        """Creates a user with a role."""
        user_id = await self.factory.sql.fetchval(
            "insert into users (role) values ($1::text::user_role) returning id", role
        )
        return Person(user_id, role, self._http, self._node.url, mint_token(SECRET, user_id, role))

    async def persons(self, count: int) -> list[Person]:
        """Creates several users."""
        return [await self.person() for _ in range(count)]

    def nobody(self) -> Person:
        """An anonymous client."""
        return Person(0, "", self._http, self._node.url, None)
