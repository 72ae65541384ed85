"""The checks of `mysetlist doctor`: everything that the start of a node depends on.

The checks change nothing, with two exceptions: they start our own engines when no address is given, and send one request
to each provider, which counts toward its quota.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import shutil
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rich.table import Table

from server.cache.cluster import connection_to
from server.cache.engine import check_valkey
from server.clock import SystemClock
from server.embedded import Addresses, open_engines
from server.errors import CacheError, MailUnavailable, SetupError
from server.live.fleet import UNTRUSTED_PROXY_TODO, fetch_nodes
from server.live.io_uring import IoUring, IoUringUnavailable
from server.mail.smtp import SmtpClient
from server.node.catalogue_sync import providers_of
from server.node.outgoing import check_outgoing
from server.node.process_limits import FILES_MIN
from server.node.self_check import clocks_differ
from server.node.workers import NODE_CONNECTIONS
from server.settings import Settings, data_folder, unknown_settings
from server.store.address import place
from server.store.database import REQUEST_ROLE, WRITER_ROLE, Database
from server.store.engine import (
    EXTENSIONS,
    POOLED,
    check_pooler,
    check_postgres,
    missing_rights,
    rights_that_lack,
    unknown_time_zones,
)
from server.store.migrations import dbmate_path, migrate_status
from server.store.node_login import NODE_LOGIN, login_rights
from server.store.reads import Replica
from server.sync.documents import Probe
from server.sync.provider_probe import probe_provider
from server.voting.rule_changes import open_rule_changes

DISK_FREE_BYTES_MIN = 1_000_000_000
# The IANA database has about 600 names.
TIME_ZONES_MIN = 400

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    verdict: Verdict
    found: str


async def run_checks(environ: Mapping[str, str], data_dir: Path | None) -> list[Check]:
    """Runs every check that can run: a failed check does not stop the checks that do not depend on it.

    Gives:  the results, in the order in which a start of a node depends on them
    """
    checks = [_python(), _dbmate(), _time_zones(), _outgoing()]
    try:
        settings = Settings.from_environ(environ, data_dir=data_dir)
    except SetupError as error:
        return [*checks, Check("settings", "fail", str(error))]
    unknown = unknown_settings(environ)
    checks += [
        Check("settings", "warn" if unknown else "ok", "; ".join(unknown) or "all parse"),
        _data_dir(settings),
        _files(settings),
        _io_uring(settings),
        _providers(settings),
        await _mail(settings),
    ]
    try:
        engines = open_engines(settings.data_dir, database_url=settings.database_url, redis_url=settings.redis_url)
        async with engines as addresses:
            return checks + await _engines(settings, addresses)
    except SetupError as error:
        return [*checks, Check("engines", "fail", str(error))]


def as_table(checks: list[Check]) -> Table:
    """Formats the checks as a table."""
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table("check", "", "found", box=None, pad_edge=False)
    for check in checks:
        table.add_row(check.name, f"[{colours[check.verdict]}]{check.verdict}[/]", check.found.replace("[", r"\["))
    return table


def _python() -> Check:
    return Check(
        "Python", "ok", f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    )


def _dbmate() -> Check:
    try:
        return Check("dbmate", "ok", dbmate_path())
    except SetupError as error:
        return Check("dbmate", "fail", str(error))


def _time_zones() -> Check:
    count = len(zoneinfo.available_timezones())
    if count < TIME_ZONES_MIN:
        todo = f"Python finds {count} time zones; install them with: pip install tzdata"
        return Check("time zones", "fail", todo)
    return Check("time zones", "ok", f"{count} known to Python")


def _outgoing() -> Check:
    try:
        named = check_outgoing()
    except SetupError as error:
        return Check("proxies", "fail", str(error))
    return Check("proxies", "ok", f"used: {named}" if named else "no variable names a proxy or certificates")


def _files(settings: Settings) -> Check:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.limits.connections + FILES_MIN
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        return Check("open files", "ok", f"enough for {settings.limits.connections} connections")
    if hard >= FILES_MIN:
        found = (
            f"enough for {hard - FILES_MIN} of {settings.limits.connections} connections; more with: ulimit -n {wanted}"
        )
        return Check("open files", "ok", found)
    todo = f"this process may open {hard} files and needs {FILES_MIN}; raise the limit with: ulimit -n {wanted}"
    return Check("open files", "fail", todo)


def _io_uring(settings: Settings) -> Check:
    found = "MYSETLIST_IO_URING is off"
    if settings.io_uring == "auto":
        try:
            IoUring().close()
        except IoUringUnavailable as error:
            found = str(error)
        else:
            return Check("io_uring", "ok", "sends each push with one call for hundreds of sockets")
    return Check("io_uring", "ok", f"not used, so pushes cost about half more CPU: {found}")


def _data_dir(settings: Settings) -> Check:
    folder = settings.data_dir
    # Unlike Path.exists, it does not fail in a folder that this user may not enter.
    parent = next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110
    if not os.access(parent, os.W_OK | os.X_OK):
        return Check(
            "data dir", "fail", f"MYSETLIST_DATA_DIR: cannot write to {parent}; name a folder that can be written"
        )
    free_bytes = shutil.disk_usage(parent).free
    found = f"{folder}, {free_bytes / 1e9:.1f} GB free"
    return Check("data dir", "ok" if free_bytes >= DISK_FREE_BYTES_MIN else "warn", found)


def _providers(settings: Settings) -> Check:
    keys = {
        "Spotify": settings.spotify_client_id,
        "Ticketmaster": settings.ticketmaster_api_key,
        "setlist.fm": settings.setlistfm_api_key,
    }
    with_key = [name for name, key in keys.items() if key]
    keys_found = f"keys for {', '.join(with_key)}" if with_key else "no keys (none are needed to vote)"
    kept = ", ".join(f"{service} {days}" for service, days in settings.kept_days.items())
    return Check("providers", "ok", f"{keys_found}; days kept: {kept}")


async def _mail(settings: Settings) -> Check:
    if settings.smtp_url is None:
        return Check("mail", "ok", "no SMTP_URL: no mail is sent")
    try:
        found = await SmtpClient(settings.smtp_url, sender="").check()
    except MailUnavailable as error:
        # A node starts nevertheless, and mail waits in its queue.
        return Check("mail", "warn", f"SMTP_URL: {error}")
    has_open_password = urlsplit(settings.smtp_url).password is not None and not found.is_encrypted
    encryption = "encrypted" if found.is_encrypted else "not encrypted"
    if has_open_password:
        return Check("mail", "warn", f"{found.name}, {encryption} although SMTP_URL holds a password; use smtps://")
    return Check("mail", "ok", f"{found.name}, {encryption}")


async def _engines(settings: Settings, addresses: Addresses) -> list[Check]:
    assert addresses.database_url is not None
    assert addresses.redis_url is not None
    clocks: dict[str, float] = {}
    checks = [
        *await _postgres(addresses.database_url, settings.database_url is None, clocks),
        *await _valkey(addresses.redis_url, settings.redis_url is None, clocks),
    ]
    if clocks:
        checks.append(_clock(clocks))
    if "Valkey" in clocks or "Redis" in clocks:
        checks += await _trusted_proxies(addresses.redis_url)
    has_schema = any(check.name == "migrations" and check.verdict == "ok" for check in checks)
    if has_schema:
        checks += await _beside_the_primary(settings, addresses.database_url)
    if has_schema and all(check.verdict != "fail" for check in checks):
        checks += await _provider_answers(settings, addresses.database_url, addresses.redis_url)
    return checks


async def _trusted_proxies(redis_url: str) -> list[Check]:
    """What running nodes say about a proxy that they do not trust."""
    valkey = connection_to(redis_url)
    try:
        places = sorted({node.untrusted_proxy for node in await fetch_nodes(valkey.ask) if node.untrusted_proxy})
    except CacheError as error:
        return [Check("trusted proxies", "warn", f"Valkey does not tell of running nodes: {error}")]
    finally:
        await valkey.close()
    if not places:
        return []
    found = (
        f"requests with X-Forwarded-For come from {', '.join(places)}, which no setting trusts; {UNTRUSTED_PROXY_TODO}"
    )
    return [Check("trusted proxies", "warn", found)]


async def _provider_answers(settings: Settings, database_url: str, redis_url: str) -> list[Check]:
    """Sends one request to each provider that a node would use."""
    clock = SystemClock()
    database = await Database.open(database_url, pool_size=4)
    try:
        async with (
            open_rule_changes(database, redis_url) as change_rules,
            providers_of(settings, database, redis_url, clock, change_rules, is_urgent=True) as opened,
        ):
            providers = opened.by_service()
            # MusicBrainz alone: it needs no key, and a node without any key asks no provider.
            if len(providers) == 1:
                return []
            found = await asyncio.gather(*(probe_provider(provider, clock) for provider in providers.values()))
    finally:
        await database.close()
    return [_provider_answer(service, answer) for service, answer in zip(providers, found, strict=True)]


def _provider_answer(service: str, answer: Probe) -> Check:
    if answer.is_ok:
        return Check(service, "ok", f"answered in {answer.took_ms} ms")
    # A warning for a provider that is down, because it comes back by itself. A refused key is a wrong setting.
    return Check(service, "fail" if answer.is_key_refused else "warn", answer.error or "")


async def _postgres(url: str, is_ours: bool, clocks: dict[str, float]) -> list[Check]:
    try:
        state = await check_postgres(url)
    except SetupError as error:
        return [Check("PostgreSQL", "fail", str(error))]
    clocks["PostgreSQL"] = state.clock_ahead_ms
    found = f"{state.version}, {'our own' if is_ours else 'by address'}, database {state.database}, user {state.user}"
    checks = [Check("PostgreSQL", "ok", found)]
    if state.synchronous_commit not in ("on", "remote_write", "remote_apply", "local"):
        risk = "synchronous_commit is off: a vote acknowledged as committed can be lost if PostgreSQL's machine crashes"
        checks.append(Check("durability", "warn", risk))
    if state.connections_max < NODE_CONNECTIONS:
        found = f"max_connections is {state.connections_max}; a node with its commands needs up to {NODE_CONNECTIONS}"
        checks.append(Check("connections", "warn", found))
    if state.is_pooled:
        checks.append(Check("pooler", "warn", POOLED))
    try:
        migrations = await migrate_status(url, data_folder("migrations"))
    except SetupError as error:
        return [*checks, Check("migrations", "fail", str(error))]
    pending = [migration.name for migration in migrations if not migration.is_applied]
    if pending:
        if len(pending) < len(migrations) and not (await login_rights(url)).is_owner:
            todo = f"{pending[0]} is not applied yet; as the owner of the tables: mysetlist migrate up"
            return [*checks, Check("migrations", "fail", todo)]
        todo = f"{len(pending)} not applied yet, next {pending[0]}; the next start applies them"
        lacking = await rights_that_lack(url, (REQUEST_ROLE, WRITER_ROLE), EXTENSIONS)
        found = "; ".join(lacking) or "the next start may apply them"
        return [*checks, Check("migrations", "warn", todo), Check("rights", "fail" if lacking else "ok", found)]
    checks.append(Check("migrations", "ok", f"all {len(migrations)} applied"))
    try:
        missing = await missing_rights(url, (REQUEST_ROLE, WRITER_ROLE), EXTENSIONS)
    except SetupError as error:
        return [*checks, Check("rights", "fail", str(error))]
    found = f"both roles can be used; extensions {', '.join(EXTENSIONS)}"
    checks.append(Check("rights", "fail" if missing else "ok", "; ".join(missing) or found))
    checks.append(await _login(url, is_ours))
    if unknown := await unknown_time_zones(url):
        todo = (
            f"PostgreSQL does not know {', '.join(unknown)}, which venues or shows have; update its time zones (tzdata)"
        )
        checks.append(Check("zones of venues", "fail", todo))
    return checks


async def _login(url: str, is_ours: bool) -> Check:
    """Whether the login of a node owns the tables."""
    if is_ours:
        return Check("login", "ok", f"nodes log in as {NODE_LOGIN}, which owns nothing")
    try:
        rights = await login_rights(url)
    except SetupError as error:
        return Check("login", "fail", str(error))
    if rights.is_owner:
        found = (
            f"{rights.name} may change the tables, as their owner; docs/security.md says how nodes log in without that"
        )
        return Check("login", "ok", found)
    if not rights.passes_row_security:
        todo = f"{rights.name} does not pass row security; as an administrator: alter role {rights.name} bypassrls"
        return Check("login", "fail", todo)
    if rights.kept_count:
        todo = (
            f"{rights.name} cannot call {rights.kept_count} functions; as the owner of the tables: mysetlist migrate up"
        )
        return Check("login", "fail", todo)
    return Check("login", "ok", f"{rights.name} owns nothing")


async def _beside_the_primary(settings: Settings, url: str) -> list[Check]:
    """The pooler and the replica, as far as the settings name them."""
    checks = []
    if settings.database_pooled_url is not None:
        try:
            await check_pooler(settings.database_pooled_url, url)
            checks.append(Check("pooled requests", "ok", f"through {place(settings.database_pooled_url)}"))
        except SetupError as error:
            checks.append(Check("pooled requests", "fail", str(error)))
    if settings.database_read_url is not None:
        primary = await Database.open(url, pool_size=1)
        replica = await Replica.open(settings.database_read_url, primary)
        try:
            await replica.look()
        finally:
            await replica.close()
            await primary.close()
        where = place(settings.database_read_url)
        found = f"{where}, {replica.behind_s * 1000:.0f} ms behind the primary"
        if replica.why_left_out:
            found = f"reads go to the primary, and not to {where}: {replica.why_left_out}"
        checks.append(Check("replica", "warn" if replica.why_left_out else "ok", found))
    return checks


async def _valkey(url: str, is_ours: bool, clocks: dict[str, float]) -> list[Check]:
    try:
        state = await check_valkey(url)
    except SetupError as error:
        return [Check("Valkey", "fail", str(error))]
    clocks[state.name] = state.clock_ahead_ms
    of_cluster = "" if state.primary_count is None else f"cluster of {state.primary_count} primaries, "
    found = (
        f"{state.version}, {of_cluster}{'our own' if is_ours else 'by address'}, eviction {state.eviction},"
        f" persistence: {state.persistence}"
    )
    checks = [Check(state.name, "ok", found), *(Check("durability", "warn", warning) for warning in state.warnings)]
    return [*checks, Check("writes", "fail", state.why_no_writes)] if state.why_no_writes else checks


def _clock(clocks: dict[str, float]) -> Check:
    offsets = ", ".join(f"{name} {ahead_ms:+.0f} ms" for name, ahead_ms in clocks.items())
    if clocks_differ(clocks):
        return Check(
            "clocks", "fail", f"clocks differ too much from this machine's: {offsets}; synchronise them with NTP"
        )
    return Check("clocks", "ok", f"difference from this machine's: {offsets}")
