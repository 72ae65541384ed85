"""The login of a node: it reads and writes rows, and owns nothing (docs/adr/0008).

In a PostgreSQL of its own a node makes it. In one that is given by address an administrator makes it, if they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from server.store.engine import connected

NODE_LOGIN = "mysetlist_node"

# Functions that a migration keeps from everybody but the owner: the owner's work is what a node does with this login. They are looked
# for at each start, so no migration has to think of it.
_MAKE_LOGIN = """\
do $$
declare
    kept regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('mysetlist_node'));
    if to_regrole('mysetlist_node') is null then
        create role mysetlist_node;
    end if;
    -- A restored backup has made it without these.
    if not exists (select from pg_roles where rolname = 'mysetlist_node' and rolcanlogin and rolbypassrls) then
        alter role mysetlist_node login bypassrls;
        grant mysetlist_request, mysetlist_writer, pg_read_all_data, pg_write_all_data, pg_maintain, pg_monitor to mysetlist_node;
    end if;
    for kept in select oid from pg_proc where pronamespace = 'public'::regnamespace
                   and not has_function_privilege('mysetlist_node', oid, 'execute') loop
        execute format('grant execute on function %s to mysetlist_node', kept);
    end loop;
end $$"""

# An administrator has made the login before or after the migrations; the owner of the functions cannot make it.
_ALLOW_LOGIN = """\
do $$
declare
    kept regprocedure;
begin
    if to_regrole('mysetlist_node') is not null then
        for kept in select oid from pg_proc where pronamespace = 'public'::regnamespace and pg_has_role(proowner, 'usage')
                       and not has_function_privilege('mysetlist_node', oid, 'execute') loop
            execute format('grant execute on function %s to mysetlist_node', kept);
        end loop;
    end if;
end $$"""

_FETCH_RIGHTS = """\
select current_user as name, (select rolbypassrls or rolsuper from pg_roles where rolname = current_user) as passes_row_security,
       exists (select from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
                                      and pg_has_role(relowner, 'member')) as is_owner,
       (select count(*) from pg_proc where pronamespace = 'public'::regnamespace
                                       and not has_function_privilege(oid, 'execute')) as kept_count"""


@dataclass(frozen=True, slots=True)
class LoginRights:
    """What a login may do in a migrated database. Takes: kept_count, of functions that it cannot call."""

    name: str
    is_owner: bool
    passes_row_security: bool
    kept_count: int


async def allow_node_login(url: str) -> None:
    """Lets the login of nodes call the functions that migrations keep for the owner, if there is such a login.

    Takes:  url, of the database, as the owner
    Raises: SetupError
    """
    async with connected(url) as connection:
        await connection.execute(_ALLOW_LOGIN)


async def login_rights(url: str) -> LoginRights:
    """What the login of an address may do. Raises: SetupError."""
    async with connected(url) as connection:
        (row,) = await connection.fetch(_FETCH_RIGHTS)
    return LoginRights(**dict(row))


async def node_login(url: str) -> str:
    """The address of the same database for a node's connections. Its login is made if it is missing.

    Takes:  url, of a PostgreSQL that trusts its socket, as an administrator of the server
    Raises: SetupError: unreachable
    """
    async with connected(url) as connection:
        await connection.execute(_MAKE_LOGIN)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{NODE_LOGIN}@{parts.netloc.rpartition('@')[2]}"))
