"""doctor, as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis.asyncio

from server.cli.doctor import CLOCK_DIFFERENCE_MAX_MS, Check, _clock, _mail, examine
from server.embedded import EmbeddedEngines
from server.settings import Settings, data_folder
from server.store.engine import missing_rights
from server.store.migrations import migrate_up
from tests.support import providers as stand_in
from tests.support.engines import execute, unused_port
from tests.support.smtp_server import SmtpServer

SECRET = "0123456789abcdef" * 4


def run_doctor(data_dir: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "server", "doctor", "--data-dir", str(data_dir)]
    plain = {"PATH": os.environ["PATH"], "HOME": str(data_dir)}
    return subprocess.run(command, check=False, capture_output=True, text=True, env={**plain, **environ}, timeout=50)


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def test_a_fresh_machine_is_fit(engine_dir: Path) -> None:
    """With nothing set, doctor starts our own engines, finds all well, exits 0 and leaves nothing running."""
    done = run_doctor(engine_dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "our own" in done.stdout
    assert "noeviction" in done.stdout
    assert "not applied yet" in done.stdout
    assert not (engine_dir / "run" / "valkey.sock").exists()


def test_the_reason_is_the_last_line(engine_dir: Path) -> None:
    """An address where nobody answers: exit 1, the reason on stderr, no traceback, the other checks still made."""
    done = run_doctor(engine_dir, DATABASE_URL=f"postgresql://127.0.0.1:{unused_port()}/fans")
    assert done.returncode == 1
    assert done.stderr.startswith("mysetlist: DATABASE_URL: cannot reach PostgreSQL at ")
    assert done.stderr.count("\n") == 1
    assert "noeviction" in done.stdout


def test_a_setting_that_does_not_parse_is_the_reason(engine_dir: Path) -> None:
    """One line naming the setting."""
    done = run_doctor(engine_dir, MYSETLIST_TRUSTED_PROXIES="everyone")
    assert done.returncode == 1
    assert done.stderr.startswith("mysetlist: MYSETLIST_TRUSTED_PROXIES: 'everyone' is no address")
    assert done.stderr.count("\n") == 1


async def test_engines_by_address_are_named(engine_dir: Path, database_url: str, redis_url: str) -> None:
    """Doctor says which versions it found where; with a migrated database everything is ok."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    checks = await examine(environ, engine_dir)
    assert set(verdicts(checks).values()) == {"ok"}
    found = {check.name: check.found for check in checks}
    assert found["PostgreSQL"].startswith("18.")
    assert "by address" in found["PostgreSQL"]
    assert found["Valkey"].startswith("9.")
    assert found["migrations"].startswith("all ")


async def test_a_database_without_what_its_schema_stands_on(
    engine_dir: Path, database_url: str, redis_url: str
) -> None:
    """A missing extension, and a role that cannot be entered, are each named."""
    await execute(database_url, "drop extension cube cascade")
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    checks = {check.name: check for check in await examine(environ, engine_dir)}
    assert (checks["rights"].verdict, checks["rights"].found) == ("fail", "extension cube is missing")
    (told,) = await missing_rights(database_url, ["mysetlist_request", "nobody at all"], ["unaccent"])
    assert told.startswith("role nobody at all cannot be entered: ")


async def test_an_evicting_valkey_and_an_unmigrated_database_are_both_seen(
    engine_dir: Path, empty_database_url: str
) -> None:
    """One failure does not hide the next finding."""
    engines = await EmbeddedEngines.start(engine_dir, postgres=False)
    try:
        async with redis.asyncio.Redis.from_url(engines.redis_url) as client:
            await client.config_set("maxmemory-policy", "volatile-lru")
        environ = {"DATABASE_URL": empty_database_url, "REDIS_URL": engines.redis_url, "MYSETLIST_SECRET": SECRET}
        found = verdicts(await examine(environ, engine_dir))
    finally:
        await engines.stop()
    assert (found["Valkey"], found["migrations"], found["PostgreSQL"]) == ("fail", "warn", "ok")


async def test_a_database_of_a_newer_release_fails(
    engine_dir: Path, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Doctor says so before a start does."""
    (tmp_path / "29990101000000_later.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")
    await migrate_up(empty_database_url, tmp_path)
    environ = {"DATABASE_URL": empty_database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    found = verdicts(await examine(environ, engine_dir))
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
    """Between any two of the three machines."""
    assert _clock(clocks).verdict == verdict


async def test_the_mail_server_is_asked(engine_dir: Path) -> None:
    """Without one all is well; one that is away, or gets a password on an open line, is worth a word, and never fails."""
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
    """Each that a node would ask, one question; a key that is refused fails, who is only away does not."""
    plain = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_SECRET": SECRET}
    assert "musicbrainz" not in verdicts(await examine(plain, engine_dir))
    environ = plain | provider_services.environ()
    found = {check.name: check for check in await examine(environ, engine_dir)}
    services = ("musicbrainz", "setlistfm", "ticketmaster", "spotify")
    assert [found[service].verdict for service in services] == ["ok"] * 4
    assert found["spotify"].found.startswith("answered in ")
    assert all(len(service.asked) >= 1 for service in provider_services.services())

    provider_services.ticketmaster.is_revoked = True
    provider_services.setlistfm.fail(4, status=500)
    found = {check.name: check for check in await examine(environ, engine_dir)}
    assert [found[service].verdict for service in services] == ["ok", "warn", "fail", "ok"]
    assert found["setlistfm"].found == "setlistfm: answered 500"
    assert (
        found["ticketmaster"].found == "ticketmaster: does not accept the key in TICKETMASTER_API_KEY; set a valid one"
    )
    assert environ["TICKETMASTER_API_KEY"] not in str(found)
