"""`mysetlist token`: a token for an administrator, a moderator or a test user."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from server.cli.terminal import DataDir, duration_s, run_to_end, settings_from


class Role(StrEnum):
    """The roles a token can give."""

    user = "user"
    moderator = "moderator"
    admin = "admin"


def token(
    role: Annotated[Role, typer.Option(help="Role of the new user.")] = Role.user,
    ttl: Annotated[str, typer.Option(help="Life of the token: 90s, 15m, 1h, 7d.")] = "1h",
    data_dir: DataDir = None,
) -> None:
    """Create a user and print a signed token for it."""
    from server.cli.engines import database_for
    from server.people.sessions import create_user, mint_token
    from server.voting.leases import refuse_other_keys

    ttl_s = duration_s("--ttl", ttl)
    settings = settings_from(data_dir=data_dir)

    async def command() -> int:
        async with database_for(settings) as database:
            await refuse_other_keys(database.url, settings.secret)
            return await create_user(database, role.value, ttl_s)

    user_id = run_to_end(command())
    typer.echo(mint_token(settings.secret, user_id, role.value, ttl_s))
