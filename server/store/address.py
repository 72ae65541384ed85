"""Addresses of PostgreSQL: what hosted services and other drivers add to them, made fit for the drivers that we use."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

# asyncpg, dbmate and PostgreSQL's own programs understand these.
_KEPT = frozenset(
    {"host", "port", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey", "options", "application_name"}
)
# Settings of other drivers, without a meaning here. asyncpg has no channel binding; sslmode=verify-full keeps the same
# attackers out. The pools have their own sizes and times, and a node always looks for the host that takes writes.
_DROPPED = frozenset(
    {"channel_binding", "client_encoding", "connect_timeout", "connection_limit", "fallback_application_name",
     "gssencmode", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts",
     "pool_timeout", "socket_timeout", "sslnegotiation", "statement_cache_size", "target_session_attrs",
     "tcp_user_timeout", "uselibpqcompat"}
)  # fmt: skip
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Parameters of other drivers that mean something here by another name.
_WRITTEN_OTHERWISE = {
    "ssl": "write sslmode=require, or sslmode=verify-full with sslrootcert",
    "sslaccept": "it is Prisma's; write sslmode=verify-full with sslrootcert for strict, sslmode=require for accept_invalid_certs",
    "sslidentity": "it is Prisma's; write sslcert and sslkey",
    "hostaddr": "write the address in place of the host",
    "dbname": "write the database behind the host, as in postgresql://host/mysetlist",
}
_OF_STANDBYS = ("standby", "prefer-standby", "read-only")
_OF_PRIMARIES = ("primary", "read-write")


def database_url_of(text: str) -> str:
    """Checks DATABASE_URL, which leads to PostgreSQL itself, and takes out of it what means nothing here.

    Raises: ValueError: one sentence without the address, which may hold a password
    """
    if sign := _sign_of_pooler(text):
        raise ValueError(
            f"leads to a pooler ({sign}); name PostgreSQL itself here, and the pooler in DATABASE_POOLED_URL"
        )
    return _checked(text, refused_attrs=_OF_STANDBYS)


def pooled_url_of(text: str) -> str:
    """Checks DATABASE_POOLED_URL, which leads to a pooler in front of the primary. Raises: ValueError: likewise."""
    return _checked(text, refused_attrs=_OF_STANDBYS)


def read_url_of(text: str) -> str:
    """Checks DATABASE_READ_URL, which leads to a replica. Raises: ValueError: likewise."""
    if sign := _sign_of_pooler(text):
        raise ValueError(f"leads to a pooler ({sign}); name the replica itself")
    return _checked(text, refused_attrs=_OF_PRIMARIES)


def hosts_of(url: str) -> list[str]:
    """One address for each host of an address, in their order."""
    parts = urlsplit(url)
    login, at, places = parts.netloc.rpartition("@")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(parameters)
    head = f"{parts.scheme}://{login}{at}"
    if "," in places:
        tail = url[len(f"{parts.scheme}://{parts.netloc}") :]
        return [f"{head}{place}{tail}" for place in places.split(",")]
    if "," not in given.get("host", ""):
        return [url]
    hosts, ports = given["host"].split(","), given.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    rest = [(name, value) for name, value in parameters if name not in ("host", "port")]
    return [
        f"{head}{places}{parts.path}?{_query([('host', host), *([('port', port)] if port else []), *rest])}"
        for host, port in zip(hosts, ports, strict=True)
    ]


def place(url: str) -> str:
    """Hosts and ports of an address, for messages: they must not show the password."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    hosts = parts.netloc.rpartition("@")[2] or given.get("host", "")
    if not hosts or hosts.startswith("/"):
        return "its unix socket"
    return f"{hosts}:{given['port']}" if "port" in given and not parts.netloc.rpartition("@")[2] else hosts


def _checked(text: str, *, refused_attrs: Collection[str]) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no address; write it as in postgresql://user:password@host/mysetlist") from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("must start with postgresql:// or postgres://")
    if parts.fragment:
        raise ValueError("has the character #; write it as %23 when it is part of the password")
    if not parts.path.strip("/"):
        raise ValueError("names no database; end it with one, as in postgresql://host/mysetlist")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    _check_hosts(text, dict(parameters))
    kept = [(name, value) for name, value in parameters if _is_kept(name, value, refused_attrs)]
    if {"verify-ca", "verify-full"} & {value for _, value in kept} and "sslrootcert" not in dict(kept):
        raise ValueError("asks for a checked certificate; add sslrootcert=, the file of the certificates to trust")
    # An address without other drivers' settings stays as it is written.
    if kept == parameters:
        return text
    # urlunsplit would drop the empty host of postgresql:///mysetlist.
    return text.partition("?")[0] + (f"?{_query(kept)}" if kept else "")


def _check_hosts(text: str, given: dict[str, str]) -> None:
    hosts, ports = given.get("host", "").split(","), given.get("port", "").split(",")
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError(f"has {len(hosts)} hosts and {len(ports)} ports; give each host its port")
    for url in hosts_of(text):
        parts = urlsplit(url)
        try:
            is_wrong = parts.port == 0
        except ValueError:
            is_wrong = True
        port = dict(parse_qsl(parts.query)).get("port", "1")
        if is_wrong or not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise ValueError("has a wrong port; a port is a number between 1 and 65535")
        if "," in text and not parts.hostname and not given.get("host"):
            raise ValueError(
                "has a comma without a host; write several hosts as in postgresql://one:5432,two:5432/mysetlist"
            )


def _sign_of_pooler(text: str) -> str:
    """What in an address says that it leads to a pooler in transaction mode; empty: nothing."""
    where, _, query = text.partition("?")
    if dict(parse_qsl(query)).get("pgbouncer") == "true":
        return "pgbouncer=true"
    for each in where.rpartition("@")[2].partition("/")[0].split(","):
        host, _, port = each.partition(":")
        if host.partition(".")[0].endswith("-pooler"):  # Neon
            return "-pooler in its host"
        if host.endswith(".pooler.supabase.com") and port == "6543":  # its port 5432 gives whole sessions
            return "port 6543 of Supabase"
    return ""


def _is_kept(name: str, value: str, refused_attrs: Collection[str]) -> bool:
    if name == "schema" and value != "public":
        raise ValueError(f"has schema={value[:40]}; mysetlist keeps its tables in the schema public, so leave it out")
    if name == "target_session_attrs" and value in refused_attrs:
        raise ValueError(
            f"has target_session_attrs={value}; leave it out: DATABASE_URL is the primary's address, DATABASE_READ_URL a replica's"
        )
    if name == "sslmode" and value not in _TLS_MODES:
        raise ValueError(f"has sslmode={value[:40]}; write one of {', '.join(_TLS_MODES)}")
    if name in ("sslrootcert", "sslcert", "sslkey") and not Path(value).is_file():
        raise ValueError(f"has {name}={value[:200]}, and there is no such file; name one that this user can read")
    if name in _WRITTEN_OTHERWISE:
        raise ValueError(f"has the parameter {name!r}; {_WRITTEN_OTHERWISE[name]}")
    if name in _KEPT:
        return True
    if name in _DROPPED or name in ("pgbouncer", "schema"):
        return False
    raise ValueError(f"has the parameter {name[:40]!r}, which has no meaning here; leave it out")


def _query(parameters: list[tuple[str, str]]) -> str:
    return urlencode(parameters, safe="/", quote_via=quote)
