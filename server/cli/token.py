"""`mysetlist token`: a token or a sign-in link for an administrator, a moderator or a test user."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import DataDir, duration_s, run_to_end, settings_from
from server.errors import BadArgument

if TYPE_CHECKING:
    from server.settings import Settings

# A token cannot be revoked alone, so it must end some day.
TTL_DAYS_MAX = 365


class Role(StrEnum):
    """The roles a token can give."""

    user = "user"
    moderator = "moderator"
    admin = "admin"


def token(
    role: Annotated[Role, typer.Option(help="Role of the new user.")] = Role.user,
    ttl: Annotated[str, typer.Option(help="Life of the token: 90s, 15m, 1h, 7d.")] = "1h",
    link: Annotated[
        bool, typer.Option("--link", help="Print a link that signs in a browser, once and within an hour.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Create a user and print a signed token for it, or a link that signs in as this user."""
    from server.cli.engines import database_for
    from server.moderation.logs import command_line_user
    from server.people.sessions import create_link, create_user
    from server.voting.leases import refuse_other_keys

    ttl_s = duration_s("--ttl", ttl)
    if ttl_s > TTL_DAYS_MAX * 86_400:
        raise BadArgument(
            f"--ttl: {ttl} is longer than {TTL_DAYS_MAX}d, the longest life of a token; an API key has no such limit"
        )
    settings = settings_from(data_dir=data_dir, needs_database=True)
    maker = f"mysetlist token, run by {command_line_user()}"
    url = address_for_links(settings)

    async def command() -> str:
        async with database_for(settings) as database:
            await refuse_other_keys(database.url, settings.secret)
            if link:
                return await create_link(database, settings.secret, role.value, url, maker)
            return await create_user(database, settings.secret, role.value, ttl_s, maker)

    typer.echo(run_to_end(command()))


def address_for_links(settings: Settings) -> str:
    """The address in a link, as a node chooses it; its own one has the port of the node that runs with the data dir."""
    from server.node.upgrades import running_nodes

    nodes = running_nodes(settings.data_dir)
    port = nodes[0].port if len(nodes) == 1 else settings.port
    return settings.public_url or next(iter(settings.origins), f"http://{settings.host}:{port}")
