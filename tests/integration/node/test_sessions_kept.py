"""An account is kept for as long as one of its tokens may be valid."""

from __future__ import annotations

from typing import Any

import aiohttp

from server.node.node import Node
from server.people.sessions import mint_token
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET

DAYS_LEFT = "select extract(day from token_until - now())::int from users where id = $1"


async def post_session(node: Node, **options: Any) -> dict[str, Any]:
    """Signs in and gives the answer."""
    async with aiohttp.ClientSession() as http, http.post(f"{node.url}/api/session", **options) as response:
        assert response.status == 201
        answer: dict[str, Any] = await response.json()
        return answer


async def test_staying_signed_in_keeps_the_account(node: Node, factory: RowFactory) -> None:
    """A new token keeps the account from the cleaning of old accounts while it is valid."""
    session = await post_session(node)
    user_id = session["user"]["id"]
    assert await factory.sql.fetchval(DAYS_LEFT, user_id) == 89
    await factory.sql.execute("update users set token_until = now() + interval '3 days' where id = $1", user_id)
    bearer = {"Authorization": f"Bearer {session['token']}"}
    again = await post_session(node, json={"keep": True}, headers=bearer)
    assert again["user"]["id"] == user_id
    assert await factory.sql.fetchval(DAYS_LEFT, user_id) == 89


async def test_a_role_is_the_accounts_not_the_tokens(node: Node, factory: RowFactory) -> None:
    """A token with a role that was taken away loses it; a new token has the account's current role."""
    demoted, promoted = await factory.users(2)
    await factory.sql.execute("update users set role = 'moderator' where id = $1", promoted)
    async with aiohttp.ClientSession() as http:

        async def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            async with http.get(f"{node.url}/api/admin/moderation", headers=headers) as response:
                return response.status

        assert await status(mint_token(SECRET, demoted, "moderator")) == 403
        assert await status(mint_token(SECRET, promoted, "user")) == 403
        bearer = {"Authorization": f"Bearer {mint_token(SECRET, promoted, 'user')}"}
        session = await post_session(node, json={"keep": True}, headers=bearer)
        assert session["user"] == {"id": promoted, "role": "moderator"}
        assert await status(session["token"]) == 200
