"""The address of PostgreSQL: what hosted services and other drivers add to it, made fit for the drivers that we use."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

# asyncpg, dbmate and PostgreSQL's own programs understand these.
_KEPT = frozenset(
    {"host", "port", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey", "options", "application_name"}
)
# Settings of other drivers, without a meaning here: asyncpg has no channel binding, and the pool has its own sizes and times.
_DROPPED = frozenset(
    {"channel_binding", "connect_timeout", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size",
     "target_session_attrs", "keepalives", "keepalives_idle", "gssencmode"}
)  # fmt: skip


def database_url_of(text: str) -> str:
    """Checks an address, and takes out of it what means nothing here.

    Raises: ValueError: one sentence without the address, which may hold a password
    """
    parts = urlsplit(text)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("must start with postgresql:// or postgres://")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    hosts = [parts.netloc.rpartition("@")[2], *(value for name, value in parameters if name == "host")]
    if any("," in host for host in hosts):
        raise ValueError("names several hosts; name one: the primary, or an address that always leads to it")
    _check_port(parts)
    if not parts.path.strip("/"):
        raise ValueError("names no database; end it with one, as in postgresql://host/mysetlist")
    kept = [(name, value) for name, value in parameters if _is_kept(name, value)]
    # An address without other drivers' settings stays as it is written.
    if kept == parameters:
        return text
    # urlunsplit would drop the empty host of postgresql:///mysetlist.
    query = urlencode(kept, safe="/", quote_via=quote)
    return text.partition("?")[0] + (f"?{query}" if query else "")


def _check_port(parts: SplitResult) -> None:
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("has a wrong port; a port is a number between 0 and 65535") from error


def _is_kept(name: str, value: str) -> bool:
    if name == "pgbouncer" and value == "true":
        raise ValueError("has pgbouncer=true, so it leads to a pooler; use the direct address of PostgreSQL")
    if name == "schema" and value != "public":
        raise ValueError(f"has schema={value[:40]}; mysetlist keeps its tables in the schema public, so leave it out")
    if name in _KEPT:
        return True
    if name in _DROPPED or name in ("pgbouncer", "schema"):
        return False
    raise ValueError(f"has the parameter {name[:40]!r}, which has no meaning here; leave it out")
