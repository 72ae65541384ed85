"""The settings: valid values, invalid values, and the error of each."""

from __future__ import annotations

import base64
import ipaddress
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from server.errors import SetupError
from server.protocol.limits import Limits
from server.settings import VOTES_PER_DAY_DEFAULT, Settings, data_folder, unknown_settings

SECRET = "0123456789abcdef" * 4


def settings(tmp_path: Path, **environ: str) -> Settings:
    return Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path), "MYSETLIST_SECRET": SECRET, **environ})


def test_an_empty_environment_is_enough(tmp_path: Path) -> None:
    """A node without settings keeps its data under the home folder and runs its own engines."""
    found = Settings.from_environ({"XDG_DATA_HOME": str(tmp_path)})
    assert found.data_dir == tmp_path / "mysetlist"
    assert (found.database_url, found.redis_url) == (None, None)
    assert (found.host, found.port, found.workers, found.crowd, found.demo) == ("127.0.0.1", 8080, 1, 0, False)
    assert found.votes_per_day_max == VOTES_PER_DAY_DEFAULT
    assert found.origins == ()
    assert found.embed_origins == ()
    assert found.trusted_proxies == ()


def test_every_setting_is_read(tmp_path: Path) -> None:
    """Each variable sets its field, trimmed and converted to its type."""
    found = settings(
        tmp_path,
        DATABASE_URL=" postgresql://me:pw@db:5433/fans ",
        DATABASE_POOLED_URL="postgresql://me:pw@pooler:6432/fans?pgbouncer=true",
        DATABASE_READ_URL="postgresql://me:pw@replica/fans",
        REDIS_URL="rediss://:pw@cache:6380/2",
        MYSETLIST_JWKS_URL="https://id.example.org/keys",
        MYSETLIST_JWT_AUDIENCE="fans",
        MYSETLIST_JWT_ISSUER="https://id.example.org",
        MYSETLIST_JWT_ROLE_CLAIM="role",
        MYSETLIST_ORIGINS="https://Example.org, http://localhost:3000 https://example.org:443/",
        MYSETLIST_EMBED_ORIGINS="https://band.example https://club.example:8443",
        MYSETLIST_TRUSTED_PROXIES="10.0.0.0/8,127.0.0.1,fd00::/8",
        MYSETLIST_VOTES_PER_DAY="5",
        MYSETLIST_LOG_FORMAT="json",
        MYSETLIST_LOG_LEVEL="warning",
        MYSETLIST_IO_URING="off",
        MYSETLIST_SERVICE_WORKER="off",
        MYSETLIST_CONNECTIONS_PER_USER="3",
        MYSETLIST_SESSIONS_PER_ADDRESS=" 70000 ",
        SPOTIFY_CLIENT_ID="id",
        SPOTIFY_CLIENT_SECRET="hush",
        SPOTIFY_API_URL="http://127.0.0.1:1/api/",
        SPOTIFY_ACCOUNTS_URL="http://127.0.0.1:2",
        TICKETMASTER_API_KEY="tm",
        TICKETMASTER_API_URL="http://127.0.0.1:3",
        SETLISTFM_API_KEY="fm",
        SETLISTFM_API_URL="http://127.0.0.1:4",
        MUSICBRAINZ_API_URL="http://127.0.0.1:5",
        MYSETLIST_KEEP_SETLISTFM_DAYS="1",
        MYSETLIST_KEEP_TICKETMASTER_DAYS="2",
        MYSETLIST_KEEP_SPOTIFY_DAYS="3",
        MYSETLIST_KEEP_MUSICBRAINZ_DAYS="3650",
        SMTP_URL="smtps://me:pw@mail:465",
        MYSETLIST_MAIL_FROM="Sets <sets@example.org>",
        MYSETLIST_PUBLIC_URL="https://sets.example.org/",
        MYSETLIST_WEBHOOK_NETWORKS="10.0.0.0/8 ::1",
        MYSETLIST_WEBPUSH_NETWORKS="192.168.7.0/24",
        MYSETLIST_ALERT_WEBHOOK_URL="https://ops.example.org/hook",
        MYSETLIST_ALERT_WEBHOOK_SECRET="whsec_" + base64.b64encode(b"k" * 32).decode(),
        MYSETLIST_BACKUP_AGE_HOURS="50",
        MYSETLIST_AVAILABILITY_PERCENT="99.95",
        MYSETLIST_ACKNOWLEDGEMENT_PERCENT="95",
        MYSETLIST_ACKNOWLEDGEMENT_MS="2.5",
        MYSETLIST_PUSH_PERCENT="90.5",
        MYSETLIST_PUSH_MS="1000",
        MYSETLIST_METRICS_TOKEN="prometheus reads".replace(" ", "-"),
    )
    assert found.database_url == "postgresql://me:pw@db:5433/fans"
    assert found.database_pooled_url == "postgresql://me:pw@pooler:6432/fans"
    assert found.database_read_url == "postgresql://me:pw@replica/fans"
    assert found.redis_url == "rediss://:pw@cache:6380/2"
    assert found.secret == SECRET
    assert (found.jwks_url, found.jwt_audience) == ("https://id.example.org/keys", "fans")
    assert (found.jwt_issuer, found.jwt_role_claim) == ("https://id.example.org", "role")
    assert found.origins == ("https://example.org", "http://localhost:3000")
    assert found.embed_origins == ("https://band.example", "https://club.example:8443")
    assert found.trusted_proxies == tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")))
    assert (found.votes_per_day_max, found.log_format, found.log_level) == (5, "json", "warning")
    assert found.io_uring == "off"
    assert found.service_worker == "off"
    assert (found.alert_webhook_secret, found.metrics_token) == (b"k" * 32, "prometheus-reads")
    assert found.backup_age_hours == 50
    assert [(level.name, level.budget, level.limit_ms) for level in found.levels] == [
        ("availability", 0.0005, None), ("acknowledgement", 0.05, 2.5), ("push", 0.095, 1000),
    ]  # fmt: skip
    assert found.limits == Limits(connections_per_user=3, sessions_per_address=70_000)
    assert (found.spotify_client_id, found.spotify_client_secret) == ("id", "hush")
    assert (found.spotify_api_url, found.spotify_accounts_url) == ("http://127.0.0.1:1/api", "http://127.0.0.1:2")
    assert found.kept_days == {"setlistfm": 1, "ticketmaster": 2, "spotify": 3, "musicbrainz": 3650}
    assert (found.ticketmaster_api_key, found.ticketmaster_api_url) == ("tm", "http://127.0.0.1:3")
    assert (found.setlistfm_api_key, found.setlistfm_api_url) == ("fm", "http://127.0.0.1:4")
    assert (found.musicbrainz_api_url, found.smtp_url) == ("http://127.0.0.1:5", "smtps://me:pw@mail:465")
    assert (found.mail_from, found.public_url) == ("Sets <sets@example.org>", "https://sets.example.org")


def test_every_site_may_embed(tmp_path: Path) -> None:
    """`*` stands for all sites, but only alone."""
    assert settings(tmp_path, MYSETLIST_EMBED_ORIGINS="*").embed_origins == ("*",)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "unix:///run/valkey.sock?db=3",
        "redis+cluster://h1:7000,h2:7001",
        "rediss+cluster://me:p%40,w@h1:7000,[::1]:7001?ssl_ca_certs=/etc/ca.pem",
        "redis://[::1]:6379/1",
    ],
)
def test_every_kind_of_redis_address_parses(tmp_path: Path, url: str) -> None:
    """All kinds of address are valid and unchanged."""
    assert settings(tmp_path, REDIS_URL=url).redis_url == url


@pytest.mark.parametrize("name", ["DATABASE_POOLED_URL", "DATABASE_READ_URL"])
def test_a_pooler_or_a_replica_needs_the_primary(tmp_path: Path, name: str) -> None:
    """Alone it would mean that the node runs a PostgreSQL of its own beside it."""
    with pytest.raises(SetupError, match=f"^DATABASE_URL: is missing; {name} needs it"):
        settings(tmp_path, **{name: "postgresql://db/fans"})


def test_a_data_dir_without_hard_links_keeps_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network and container file systems have none."""

    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("server.settings.os.link", link)
    first = Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path)}).secret
    assert Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path)}).secret == first
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_user_without_a_home_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user id that has no entry in the list of users."""

    def expanduser(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", expanduser)
    with pytest.raises(SetupError, match="^MYSETLIST_DATA_DIR: is missing, and this user has no home folder"):
        Settings.from_environ({})


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_several_servers_are_told_how_to_write_a_cluster(tmp_path: Path, scheme: str) -> None:
    """The second host is not read as a port."""
    with pytest.raises(SetupError) as caught:
        settings(tmp_path, REDIS_URL=f"{scheme}://me:p,w@one:6379,two:6379/0")
    assert (
        str(caught.value)
        == f"REDIS_URL: lists several servers; for a cluster, write {scheme}+cluster://host:port,host:port"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MYSETLIST_JWKS_URL", "http://id.example.org/keys"),
        ("MYSETLIST_ALERT_WEBHOOK_SECRET", "hush"),
        ("MYSETLIST_ALERT_WEBHOOK_SECRET", "whsec_c2hvcnQ="),
        ("MYSETLIST_METRICS_TOKEN", "short"),
        ("DATABASE_URL", "mysql://db/fans"),
        ("DATABASE_READ_URL", "mysql://db/fans"),
        ("DATABASE_POOLED_URL", "mysql://db/fans"),
        ("DATABASE_URL", "postgresql://db"),
        ("DATABASE_URL", "postgresql://db:99999/fans"),
        ("REDIS_URL", "valkey.sock"),
        ("REDIS_URL", "unix://relative.sock"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://cache:port"),
        ("REDIS_URL", "redis+cluster://h1,h2:7001"),
        ("REDIS_URL", "redis+cluster://"),
        ("REDIS_URL", "redis+cluster://h1:7000/1"),
        ("REDIS_URL", "redis+cluster://h1:70000"),
        ("REDIS_URL", "redis://one:6379,two:6379"),
        ("REDIS_URL", "redis://cache?nonsense=1"),
        ("REDIS_URL", "redis://cache?socket_timeout=soon"),
        ("REDIS_URL", "redis+cluster://h1:7000?ssl_ca_certs=/etc/ca.pem"),
        ("MYSETLIST_SECRET", "short"),
        ("MYSETLIST_JWKS_URL", "ftp://id.example.org"),
        ("MYSETLIST_JWKS_URL", "https://"),
        ("MYSETLIST_ORIGINS", "example.org"),
        ("MYSETLIST_ORIGINS", "https://example.org/page"),
        ("MYSETLIST_ORIGINS", "https://user@example.org"),
        ("MYSETLIST_ORIGINS", "*"),
        ("MYSETLIST_EMBED_ORIGINS", "example.org"),
        ("MYSETLIST_EMBED_ORIGINS", "* https://example.org"),
        ("MYSETLIST_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("MYSETLIST_TRUSTED_PROXIES", "proxy.example.org"),
        ("MYSETLIST_VOTES_PER_DAY", "0"),
        ("MYSETLIST_VOTES_PER_DAY", "many"),
        ("MYSETLIST_KEEP_SPOTIFY_DAYS", "0"),
        ("MYSETLIST_KEEP_SETLISTFM_DAYS", "3651"),
        ("MYSETLIST_KEEP_MUSICBRAINZ_DAYS", "for ever"),
        ("MYSETLIST_VOTES_PER_DAY", "٣"),
        ("MYSETLIST_VOTES_PER_DAY", "1" * 30),
        ("MYSETLIST_LOG_FORMAT", "xml"),
        ("MYSETLIST_LOG_LEVEL", "loud"),
        ("MYSETLIST_IO_URING", "on"),
        ("MYSETLIST_SERVICE_WORKER", "auto"),
        *((f"MYSETLIST_{field.name.upper()}", value) for field in fields(Limits) for value in ("0", "many")),
        ("SPOTIFY_API_URL", "api.spotify.com"),
        ("SMTP_URL", "mail.example.org"),
        ("MYSETLIST_MAIL_FROM", "MySetlist"),
        ("MYSETLIST_MAIL_FROM", "a@example.org, b@example.org"),
        ("MYSETLIST_MAIL_FROM", "Sets <sets@example.org"),
        ("MYSETLIST_MAIL_FROM", "sets@example.org\r\nBcc: x@example.org"),
        ("MYSETLIST_MAIL_FROM", "sets@exämple.org"),
        ("MYSETLIST_PUBLIC_URL", "sets.example.org"),
        *(("MYSETLIST_BACKUP_AGE_HOURS", value) for value in ("0", "1.5", "9001")),
        *(("MYSETLIST_AVAILABILITY_PERCENT", value) for value in ("100", "49", "99.9999", "nan")),
        *(("MYSETLIST_PUSH_MS", value) for value in ("300", "500ms", "0.5")),
        *(("OTEL_TRACES_SAMPLER_ARG", value) for value in ("abc", "-0.1", "1.1", "nan", "1e-3")),
    ],
)
def test_an_invalid_value_is_one_line_with_its_name(tmp_path: Path, name: str, value: str) -> None:
    """The error is one line that names the setting."""
    with pytest.raises(SetupError) as caught:
        settings(tmp_path, **{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"SPOTIFY_CLIENT_ID": "id"}, "SPOTIFY_CLIENT_SECRET"),
        ({"SPOTIFY_CLIENT_SECRET": "hush"}, "SPOTIFY_CLIENT_ID"),
        ({"MYSETLIST_JWKS_URL": "https://id.example.org"}, "MYSETLIST_JWT_AUDIENCE"),
        ({"MYSETLIST_JWT_AUDIENCE": "fans"}, "MYSETLIST_JWKS_URL"),
        (
            {
                "MYSETLIST_JWKS_URL": "https://id.example.org",
                "MYSETLIST_JWT_AUDIENCE": "fans",
                "MYSETLIST_JWT_ROLE_CLAIM": "role",
            },
            "MYSETLIST_JWT_ISSUER",
        ),
        ({"MYSETLIST_ALERT_WEBHOOK_SECRET": "whsec_" + "a" * 32}, "MYSETLIST_ALERT_WEBHOOK_URL"),
    ],
)
def test_a_missing_half_of_a_pair_is_named(tmp_path: Path, environ: dict[str, str], missing: str) -> None:
    """A setting that needs another one names it."""
    with pytest.raises(SetupError, match=rf"^{missing}: is missing"):
        settings(tmp_path, **environ)


@pytest.mark.parametrize("flags", [{"port": 65536}, {"port": -1}, {"workers": 0}, {"workers": 65}, {"crowd": -1}])
def test_flags_out_of_range_are_named(tmp_path: Path, flags: dict[str, Any]) -> None:
    """The error of a flag names it as it is typed."""
    with pytest.raises(SetupError, match=f"^--{next(iter(flags))}: "):
        Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path), "MYSETLIST_SECRET": SECRET}, **flags)


def test_flags_override_the_environment(tmp_path: Path) -> None:
    """A given flag wins over its variable; None does not."""
    environ = {"MYSETLIST_DATA_DIR": str(tmp_path / "a"), "MYSETLIST_SECRET": SECRET}
    assert Settings.from_environ(environ, data_dir=tmp_path / "b", port=0).data_dir == tmp_path / "b"
    assert Settings.from_environ(environ, data_dir=None).data_dir == tmp_path / "a"


def test_the_secret_is_created_once_and_kept_private(tmp_path: Path) -> None:
    """A second start uses the key of the first, and no other user can read it."""
    environ = {"MYSETLIST_DATA_DIR": str(tmp_path / "new" / "dir")}
    first = Settings.from_environ(environ)
    assert len(first.secret) >= 64
    assert Settings.from_environ(environ).secret == first.secret
    kept = tmp_path / "new" / "dir" / "secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secret"]


def test_two_nodes_starting_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    """All starts at the same time use the same whole key."""
    with ThreadPoolExecutor(8) as pool:
        starts = [pool.submit(Settings.from_environ, {"MYSETLIST_DATA_DIR": str(tmp_path / "d")}) for _ in range(32)]
    assert len({start.result().secret for start in starts}) == 1


def test_a_stored_secret_that_is_no_key_is_refused(tmp_path: Path) -> None:
    """An empty file must not become an empty signing key."""
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(SetupError, match="signing key in .*/secret"):
        Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path)})


def test_a_data_dir_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    """A file in the place of the folder is one clear line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"^MYSETLIST_DATA_DIR: cannot keep data in .*file/deeper"):
        Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path / "file" / "deeper")})


def test_printing_settings_prints_no_secret(tmp_path: Path) -> None:
    """`repr` shows no key and no password, because settings are logged."""
    found = settings(
        tmp_path,
        DATABASE_URL="postgresql://me:hush@db/fans",
        REDIS_URL="redis://:hush@cache",
        SMTP_URL="smtp://me:hush@mail",
        SPOTIFY_CLIENT_ID="id",
        SPOTIFY_CLIENT_SECRET="hush",
        TICKETMASTER_API_KEY="hush",
        SETLISTFM_API_KEY="hush",
        MYSETLIST_METRICS_TOKEN="hush-hush-hush-hush",
    )
    assert "hush" not in repr(found)
    assert SECRET not in repr(found)
    assert "port=8080" in repr(found)


def test_a_wrong_address_is_not_repeated_with_its_password(tmp_path: Path) -> None:
    """The error of an invalid address does not quote it, because errors are logged."""
    with pytest.raises(SetupError) as caught:
        settings(tmp_path, DATABASE_URL="postgres+tls://me:hush@db/fans")
    assert "hush" not in str(caught.value)


def test_the_shipped_folders_are_found() -> None:
    """In a checkout the folders are at the top."""
    assert any(data_folder("migrations").glob("*.sql"))
    assert data_folder("static").is_dir()


def test_a_share_of_traces_is_explained(tmp_path: Path) -> None:
    """The message is ours, and says what was found."""
    with pytest.raises(
        SetupError, match="^OTEL_TRACES_SAMPLER_ARG: 'abc' is not a number between 0 and 1; write it as in 0.01$"
    ):
        settings(tmp_path, OTEL_TRACES_SAMPLER_ARG="abc")
    assert settings(tmp_path, OTEL_TRACES_SAMPLER_ARG=".5").traces_ratio == 0.5


def test_a_misspelt_setting_is_told() -> None:
    """The line names the setting that was probably meant; variables of other programs are left alone."""
    environ = {"MYSETLIST_VOTE_PER_DAY": "5", "MYSETLIST_ORIGINS": "", "MYSETLIST_QQQ": "", "HOME": "/"}
    assert unknown_settings(environ) == [
        "MYSETLIST_QQQ: there is no such setting",
        "MYSETLIST_VOTE_PER_DAY: there is no such setting; did you mean MYSETLIST_VOTES_PER_DAY?",
    ]
