"""Addresses of PostgreSQL as hosted services, libpq and other drivers write them: taken, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.store.address import database_url_of, hosts_of, place, pooled_url_of, read_url_of
from server.store.dumps import libpq_address

PEM = Path(__file__)  # a file that exists


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("me:p%40w@ep-1.eu.aws.neon.tech/fans?sslmode=require&channel_binding=require", "me:p%40w@ep-1.eu.aws.neon.tech/fans?sslmode=require"),
        ("me:pw@ep-1.neon.tech/fans?sslmode=require&options=endpoint%3Dep-1", "me:pw@ep-1.neon.tech/fans?sslmode=require&options=endpoint%3Dep-1"),
        ("postgres.abc:pw@aws-0-eu.pooler.supabase.com:5432/postgres", "postgres.abc:pw@aws-0-eu.pooler.supabase.com:5432/postgres"),
        ("me:pw@db.abc.supabase.co:5432/postgres?sslmode=require", "me:pw@db.abc.supabase.co:5432/postgres?sslmode=require"),
        (f"me:pw@x.rds.amazonaws.com/fans?sslmode=verify-full&sslrootcert={PEM}", f"me:pw@x.rds.amazonaws.com/fans?sslmode=verify-full&sslrootcert={PEM}"),
        ("me:pw@db/fans?schema=public&connection_limit=5&pool_timeout=10&connect_timeout=3&socket_timeout=9&statement_cache_size=0&pgbouncer=false", "me:pw@db/fans"),
        ("me:pw@a:5432,b:5433/fans?target_session_attrs=read-write&load_balance_hosts=disable", "me:pw@a:5432,b:5433/fans"),
        ("me@a,b/fans?target_session_attrs=primary&keepalives=1&keepalives_interval=5&tcp_user_timeout=9", "me@a,b/fans"),
        ("/fans?host=/run/pg", "/fans?host=/run/pg"),
        ("/fans?host=/run/pg&pgbouncer=false", "/fans?host=/run/pg"),
        ("/fans?host=a,b&port=5432,5433&target_session_attrs=any", "/fans?host=a,b&port=5432,5433"),
    ],
)  # fmt: skip
def test_an_address_of_a_service_is_taken(given: str, wanted: str) -> None:
    """What other drivers need is left out; what means something here stays, and the rest is as it is written."""
    for scheme in ("postgresql", "postgres"):
        assert database_url_of(f"{scheme}://{given}").replace("%2C", ",") == f"{scheme}://{wanted}"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("mysql://db/fans", "must start with postgresql://"),
        ("postgresql+asyncpg://db/fans", "must start with postgresql://"),
        ("jdbc:postgresql://db/fans", "must start with postgresql://"),
        ("postgresql://db", "names no database; end it with one"),
        ("postgresql://me:p#w@db/fans", "has the character #; write it as %23"),
        ("postgresql://[::1/fans", "is no address; write it as in"),
        ("postgresql://db:99999/fans", "has a wrong port"),
        ("postgresql://db:0/fans", "has a wrong port"),
        ("postgresql://a:1,b:x/fans", "has a wrong port"),
        ("postgresql:///fans?host=a&port=x", "has a wrong port"),
        ("postgresql:///fans?host=a,b&port=1,2,3", "has 2 hosts and 3 ports; give each host its port"),
        ("postgresql://a:1,/fans", "has a comma without a host"),
        ("postgresql://db/fans?pgbouncer=true", r"leads to a pooler \(pgbouncer=true\); .* DATABASE_POOLED_URL"),
        ("postgresql://me:pw@ep-1-pooler.eu.neon.tech/fans?sslmode=require", r"leads to a pooler \(-pooler in its host\)"),
        ("postgresql://postgres.a:pw@aws-0-eu.pooler.supabase.com:6543/postgres", r"leads to a pooler \(port 6543 of Supabase\)"),
        ("postgresql://db/fans?schema=private", "has schema=private; mysetlist keeps its tables in the schema public"),
        ("postgresql://db/fans?target_session_attrs=standby", "has target_session_attrs=standby; leave it out"),
        ("postgresql://db/fans?target_session_attrs=prefer-standby", "has target_session_attrs=prefer-standby"),
        ("postgresql://db/fans?sslmode=yes", "has sslmode=yes; write one of disable, allow"),
        ("postgresql://db/fans?sslmode=verify-full", "add sslrootcert=, the file of the certificates"),
        ("postgresql://db/fans?sslmode=verify-ca&sslrootcert=system", "has sslrootcert=system, and there is no such file"),
        ("postgresql://db/fans?sslrootcert=/no/bundle.pem", "has sslrootcert=/no/bundle.pem, and there is no such file"),
        ("postgresql://db/fans?ssl=true", "has the parameter 'ssl'; write sslmode=require"),
        ("postgresql://db/fans?sslaccept=strict", "has the parameter 'sslaccept'; it is Prisma's; write sslmode=verify-full"),
        ("postgresql://db/fans?sslidentity=a.p12", "has the parameter 'sslidentity'; it is Prisma's"),
        ("postgresql://db/fans?hostaddr=10.0.0.1", "has the parameter 'hostaddr'; write the address in place of the host"),
        ("postgresql://db/x?dbname=fans", "has the parameter 'dbname'; write the database behind the host"),
        ("postgresql://db/fans?search_path=x", "has the parameter 'search_path', which has no meaning here; leave it out"),
        ("postgresql://db/fans?require_auth=scram-sha-256", "has the parameter 'require_auth', which has no meaning here"),
    ],
)  # fmt: skip
def test_an_address_is_refused_in_one_sentence(given: str, says: str) -> None:
    """The sentence names the part that is wrong and what to do, and never the password."""
    with pytest.raises(ValueError, match=says) as caught:
        database_url_of(given)
    assert "\n" not in str(caught.value)
    assert "pw" not in str(caught.value)


def test_the_pooler_and_the_replica_have_addresses_of_their_own() -> None:
    """What DATABASE_URL refuses, DATABASE_POOLED_URL takes, and the other way round for the replica."""
    pooled = "postgresql://me:pw@ep-1-pooler.neon.tech/fans?sslmode=require&pgbouncer=true&connection_limit=1"
    assert pooled_url_of(pooled) == "postgresql://me:pw@ep-1-pooler.neon.tech/fans?sslmode=require"
    assert pooled_url_of("postgresql://me:pw@db:6543/fans") == "postgresql://me:pw@db:6543/fans"
    with pytest.raises(ValueError, match="has target_session_attrs=read-only; leave it out"):
        pooled_url_of("postgresql://db/fans?target_session_attrs=read-only")
    assert read_url_of("postgresql://b,c/fans?target_session_attrs=standby") == "postgresql://b,c/fans"
    with pytest.raises(ValueError, match="has target_session_attrs=read-write; leave it out"):
        read_url_of("postgresql://b/fans?target_session_attrs=read-write")
    with pytest.raises(ValueError, match=r"leads to a pooler \(pgbouncer=true\); name the replica itself"):
        read_url_of("postgresql://b/fans?pgbouncer=true")


@pytest.mark.parametrize(
    ("url", "hosts", "shown"),
    [
        ("postgresql://me:pw@a/x", ["postgresql://me:pw@a/x"], "a"),
        ("postgresql://me:pw@a:1,b/x?sslmode=require", ["postgresql://me:pw@a:1/x?sslmode=require", "postgresql://me:pw@b/x?sslmode=require"], "a:1,b"),
        ("postgresql://[::1]:1,[::2]:2/x", ["postgresql://[::1]:1/x", "postgresql://[::2]:2/x"], "[::1]:1,[::2]:2"),
        ("postgresql:///x?host=/a,/b&port=7", ["postgresql:///x?host=/a&port=7", "postgresql:///x?host=/b&port=7"], "its unix socket"),
        ("postgresql://me@/x?host=a,b&port=1,2", ["postgresql://me@/x?host=a&port=1", "postgresql://me@/x?host=b&port=2"], "a,b:1,2"),
        ("postgresql:///x", ["postgresql:///x"], "its unix socket"),
    ],
)  # fmt: skip
def test_each_host_has_an_address(url: str, hosts: list[str], shown: str) -> None:
    """In their order, each with all parameters; messages show hosts and ports only."""
    assert database_url_of(url) == url
    assert hosts_of(url) == hosts
    assert place(url) == shown


def test_programs_of_postgres_look_for_the_primary_too() -> None:
    """They take a list of hosts, and is told to want the one that takes writes."""
    address, environ = libpq_address("postgresql://me:p%40w@a:1,b:2/x?sslmode=require")
    assert address == "postgresql://me@a:1,b:2/x?sslmode=require&target_session_attrs=read-write"
    assert environ["PGPASSWORD"] == "p@w"
    assert "target_session_attrs" not in libpq_address("postgresql://a/x")[0]
