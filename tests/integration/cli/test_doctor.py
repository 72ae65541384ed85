"""`mysetlist doctor`: its checks, its output and its exit code."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import redis.asyncio

from server.cli.doctor_checks import Check, _clock, _io_uring, _mail, run_checks
from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.live.io_uring import IoUringUnavailable
from server.node.intervals import Intervals
from server.node.node import Node
from server.node.self_check import CLOCK_DIFFERENCE_MAX_MS
from server.node.workers import NODE_CONNECTIONS
from server.settings import Settings, data_folder
from server.store.engine import missing_rights
from server.store.migrations import migrate_up
from tests.support import providers as stand_in
from tests.support.commands import run_command
from tests.support.engines import DEBIAN_POSTGRES, debian_postgres, execute, unused_port
from tests.support.running_node import running_node, until
from tests.support.smtp_server import SmtpServer

SECRET = "0123456789abcdef" * 4
QUICK = Intervals(fleet_summary_s=0.05)


async def run_doctor(data_dir: Path, **environ: str) -> tuple[int, str, str]:
    plain = {"PATH": os.environ["PATH"], "HOME": str(data_dir)}
    return await run_command("doctor", "--data-dir", str(data_dir), environ=plain | environ)


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


async def test_a_machine_without_settings_passes(engine_dir: Path) -> None:
    """Without any setting doctor starts our own engines, passes every check, exits with 0 and leaves nothing running."""
    code, out, err = await run_doctor(engine_dir)
    assert code == 0, out + err
    assert "our own" in out
    assert "noeviction" in out
    assert "not applied yet" in out
    assert not (engine_dir / "run" / "valkey.sock").exists()


async def test_an_unreachable_database_is_the_reason(engine_dir: Path) -> None:
    """Doctor exits with 1 and one line on stderr, and still makes the other checks."""
    code, out, err = await run_doctor(engine_dir, DATABASE_URL=f"postgresql://127.0.0.1:{unused_port()}/fans")
    assert code == 1
    assert err.startswith("mysetlist: DATABASE_URL: cannot reach PostgreSQL at ")
    assert err.count("\n") == 1
    assert "noeviction" in out


async def test_an_invalid_setting_is_the_reason(engine_dir: Path) -> None:
    """Doctor exits with 1 and one line that names the setting."""
    code, _, err = await run_doctor(engine_dir, MYSETLIST_TRUSTED_PROXIES="everyone")
    assert code == 1
    assert err.startswith("mysetlist: MYSETLIST_TRUSTED_PROXIES: 'everyone' is no address")
    assert err.count("\n") == 1


def test_whether_pushes_go_out_in_bulk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor tries io_uring, and says what is missing or that a setting turns it off; this is no fault of the machine."""

    def forbidden() -> None:
        raise IoUringUnavailable("a container forbids it")

    def found(**environ: str) -> tuple[str, str]:
        check = _io_uring(Settings.from_environ({"MYSETLIST_SECRET": SECRET} | environ, data_dir=tmp_path))
        return check.verdict, check.found

    costs = "not used, so pushes cost about half more CPU"
    monkeypatch.setattr("server.cli.doctor_checks.IoUring", forbidden)
    assert found() == ("ok", f"{costs}: a container forbids it")
    assert found(MYSETLIST_IO_URING="off") == ("ok", f"{costs}: MYSETLIST_IO_URING is off")
    monkeypatch.undo()
    assert "one call" in found()[1] or costs in found()[1]


async def test_engines_by_address_are_named(engine_dir: Path, database_url: str, redis_url: str) -> None:
    """Doctor names the version and origin of each engine; with a migrated database every check is ok."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    checks = await run_checks(environ, engine_dir)
    assert set(verdicts(checks).values()) == {"ok"}
    found = {check.name: check.found for check in checks}
    assert found["PostgreSQL"].startswith("18.")
    assert "by address" in found["PostgreSQL"]
    assert found["Valkey"].startswith("9.")
    assert found["migrations"].startswith("all ")


async def test_missing_extensions_and_roles_are_named(engine_dir: Path, database_url: str, redis_url: str) -> None:
    """Doctor names an extension that is missing, and a role that cannot be used."""
    await execute(database_url, "drop extension cube cascade")
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    checks = {check.name: check for check in await run_checks(environ, engine_dir)}
    assert (checks["rights"].verdict, checks["rights"].found) == ("fail", "extension cube is missing")
    (told,) = await missing_rights(database_url, ["mysetlist_request", "nobody at all"], ["unaccent"])
    assert told.startswith("role nobody at all cannot be entered: ")


async def test_an_evicting_valkey_and_an_unmigrated_database_are_both_found(
    engine_dir: Path, empty_database_url: str
) -> None:
    """One failure does not hide the next one."""
    engines = await EmbeddedEngines.start(engine_dir, postgres=False)
    try:
        async with redis.asyncio.Redis.from_url(engines.redis_url) as client:
            await client.config_set("maxmemory-policy", "volatile-lru")
        environ = {"DATABASE_URL": empty_database_url, "REDIS_URL": engines.redis_url, "MYSETLIST_SECRET": SECRET}
        found = verdicts(await run_checks(environ, engine_dir))
    finally:
        await engines.stop()
    assert (found["Valkey"], found["migrations"], found["PostgreSQL"]) == ("fail", "warn", "ok")


async def test_a_database_of_a_newer_release_fails(
    engine_dir: Path, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Doctor fails on a database that a newer release has migrated."""
    (tmp_path / "29990101000000_later.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")
    await migrate_up(empty_database_url, tmp_path)
    environ = {"DATABASE_URL": empty_database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    found = verdicts(await run_checks(environ, engine_dir))
    assert found["migrations"] == "fail"
    assert data_folder("migrations").is_dir()


@pytest.mark.parametrize(
    ("clocks", "verdict"),
    [
        ({"PostgreSQL": 3.0, "Valkey": -3.0}, "ok"),
        ({"PostgreSQL": CLOCK_DIFFERENCE_MAX_MS + 1, "Valkey": 0.0}, "fail"),
        ({"PostgreSQL": CLOCK_DIFFERENCE_MAX_MS * 0.6, "Valkey": -CLOCK_DIFFERENCE_MAX_MS * 0.6}, "fail"),
    ],
)
def test_clocks_that_differ_fail(clocks: dict[str, float], verdict: str) -> None:
    """The check compares the clocks of all three machines with each other."""
    assert _clock(clocks).verdict == verdict


async def test_the_mail_server_is_checked(engine_dir: Path) -> None:
    """No mail server is ok; one that is down, or would get a password unencrypted, is a warning and never a failure."""
    secret = {"MYSETLIST_SECRET": SECRET}
    assert (await _mail(Settings.from_environ(secret, data_dir=engine_dir))).verdict == "ok"
    url = f"smtp://me:hush@localhost:{unused_port()}"
    found = await _mail(Settings.from_environ(secret | {"SMTP_URL": url}, data_dir=engine_dir))
    assert (found.verdict, "hush" in found.found) == ("warn", False)
    async with SmtpServer.open() as smtp_server:
        found = await _mail(Settings.from_environ(secret | {"SMTP_URL": smtp_server.url()}, data_dir=engine_dir))
        assert (found.verdict, found.found) == ("ok", f"localhost:{smtp_server.port}, not encrypted")
    async with SmtpServer.open(needs_login=True) as smtp_server:
        url = smtp_server.url(user="me:s3cret%2F%26x@")
        found = await _mail(Settings.from_environ(secret | {"SMTP_URL": url}, data_dir=engine_dir))
        assert (found.verdict, "although" in found.found, "s3cret" in found.found) == ("warn", True, False)


async def test_providers_are_asked(
    engine_dir: Path, database_url: str, redis_url: str, provider_services: stand_in.Providers
) -> None:
    """Doctor sends one request to each provider; a refused key fails, an unavailable provider is a warning."""
    plain = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    assert "musicbrainz" not in verdicts(await run_checks(plain, engine_dir))
    environ = plain | provider_services.environ()
    found = {check.name: check for check in await run_checks(environ, engine_dir)}
    services = ("musicbrainz", "setlistfm", "ticketmaster", "spotify")
    assert [found[service].verdict for service in services] == ["ok"] * 4
    assert found["spotify"].found.startswith("answered in ")
    assert all(len(service.asked) >= 1 for service in provider_services.services())

    provider_services.ticketmaster.is_revoked = True
    provider_services.setlistfm.fail(4, status=500)
    found = {check.name: check for check in await run_checks(environ, engine_dir)}
    assert [found[service].verdict for service in services] == ["ok", "warn", "fail", "ok"]
    assert found["setlistfm"].found == "setlistfm: answered 500"
    assert found["ticketmaster"].found == "ticketmaster: does not accept our key; it needs a valid one"
    assert environ["TICKETMASTER_API_KEY"] not in str(found)


async def test_what_would_fail_at_a_start_is_found(
    engine_dir: Path, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Misspelt settings, a wrong proxy, a full Valkey, zones that PostgreSQL does not know: each with what to do."""
    engines = await EmbeddedEngines.start(engine_dir, postgres=False)
    try:
        async with redis.asyncio.Redis.from_url(engines.redis_url) as client:
            await client.config_set("maxmemory", 1)
        await execute(
            database_url,
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('m', 'M', 'M', 'FR', 1, 1, 'Mars/Phobos')",
        )
        monkeypatch.setenv("ALL_PROXY", "socks5://me:hush@proxy:1080")
        environ = {
            "DATABASE_URL": database_url,
            "REDIS_URL": engines.redis_url,
            "MYSETLIST_SECRET": SECRET,
            "MYSETLIST_ORIGIN": "",
        }
        checks = await run_checks(environ, engine_dir)
    finally:
        await engines.stop()
    found = {check.name: check for check in checks if check.verdict != "ok"}
    assert {name: check.verdict for name, check in found.items()} == {
        "proxies": "fail", "settings": "warn", "zones of venues": "fail", "writes": "fail",
    }  # fmt: skip
    for name, todo in (
        ("proxies", "pip install 'httpx[socks]'"),
        ("settings", "did you mean MYSETLIST_ORIGINS?"),
        ("zones of venues", "Mars/Phobos"),
        ("writes", "raise maxmemory"),
    ):
        assert todo in found[name].found
    assert "hush" not in str(checks)


async def test_a_user_without_rights_is_found_before_the_first_start(engine_dir: Path, redis_url: str) -> None:
    """Migrations would fail half-way: doctor names each missing right and the statement that gives it. It also names too
    few connections, by the number that a node with its commands takes.
    """
    if not (DEBIAN_POSTGRES / "postgres").exists():
        pytest.skip(f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)")
    with debian_postgres("-c", f"max_connections={NODE_CONNECTIONS - 1}") as url:
        await execute(url, "create user landlord password 'pw'")
        await execute(url, "create database owned owner landlord")
        mine = f"postgresql://landlord:pw@127.0.0.1:{urlsplit(url).port}/owned"
        environ = {"DATABASE_URL": mine, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
        found = {check.name: check for check in await run_checks(environ, engine_dir)}
        assert (found["connections"].verdict, found["rights"].verdict) == ("warn", "fail")
        assert f"is {NODE_CONNECTIONS - 1}; a node with its commands needs up to" in found["connections"].found
        assert "create role mysetlist_writer nologin; grant mysetlist_writer to landlord" in found["rights"].found
        with pytest.raises(
            SetupError, match="cannot migrate the database: permission denied to create role; let an"
        ) as caught:
            await migrate_up(mine, data_folder("migrations"))
        assert "\n" not in str(caught.value)


async def test_a_proxy_that_is_not_trusted_is_told_once(
    engine_dir: Path, database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log of a running node has one line, and doctor names the proxy and the setting; with the setting there is neither."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    for trusted, lines in (((), 1), ((ipaddress.ip_network("127.0.0.0/8"),), 0)):
        capsys.readouterr()
        async with (
            running_node(database_url, redis_url, intervals=QUICK, secret=SECRET, trusted_proxies=trusted) as node,
            aiohttp.ClientSession(node.url, headers={"X-Forwarded-For": "203.0.113.7"}) as http,
        ):
            for _ in range(2):
                async with http.post("/api/session") as answer:
                    assert answer.status == 201

            async def is_told(node: Node = node) -> bool:
                return bool((await node.rooms.fleet.nodes())[0].untrusted_proxy)

            if lines:
                await until(is_told)
            found = {check.name: check for check in await run_checks(environ, engine_dir)}
        printed = capsys.readouterr()
        assert (printed.out + printed.err).count("proxy.not_trusted") == lines
        if lines:
            assert found["trusted proxies"].verdict == "warn"
            assert "come from 127.0.0.1, which" in found["trusted proxies"].found
            assert "MYSETLIST_TRUSTED_PROXIES" in found["trusted proxies"].found
        else:
            assert "trusted proxies" not in found
        assert "203.0.113.7" not in printed.out + printed.err + str(found)
