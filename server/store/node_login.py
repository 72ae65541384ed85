"""The login of a node in a PostgreSQL of its own: it reads and writes rows, and owns nothing (docs/adr/0008)."""

from __future__ import annotations

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


async def node_login(url: str) -> str:
    """The address of the same database for a node's connections. Its login is made if it is missing.

    Takes:  url, of a PostgreSQL that trusts its socket, as an administrator of the server
    Raises: SetupError: unreachable
    """
    async with connected(url) as connection:
        await connection.execute(_MAKE_LOGIN)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{NODE_LOGIN}@{parts.netloc.rpartition('@')[2]}"))
