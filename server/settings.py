"""The settings of a node, from environment and command line. They are parsed and checked before anything starts, then frozen.

Over 400 lines: a setting is a field, a parser and an entry in one table, and a reader of one looks at all three.
"""

from __future__ import annotations

import base64
import difflib
import ipaddress
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from server.cache.address import check_parameters
from server.embedded.folders import data_dir_failures, make_data_dir
from server.errors import BadArgument, SetupError
from server.protocol.http.addresses import Network
from server.protocol.http.origins import origin_of
from server.protocol.levels import Level
from server.protocol.limits import DEFAULT_LIMITS, Limits
from server.store.address import database_url_of, pooled_url_of, read_url_of
from server.telemetry import SECONDS

LogFormat = Literal["auto", "json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]
UseIoUring = Literal["auto", "off"]
UseServiceWorker = Literal["on", "off"]

# HMAC-SHA-256 needs a key at least as long as its output (RFC 7518, section 3.2).
SECRET_BYTES_MIN = 32
VOTES_PER_DAY_DEFAULT = 1000
WORKERS_MAX = 64
CROWD_MAX = 10_000
KEEP_DAYS_MAX = 3_650
METRICS_TOKEN_CHARS_MIN = 16
BACKUP_AGE_HOURS_MAX = 9_000  # about a year

_CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
_REDIS_SCHEMES = ("redis", "rediss", "unix", *_CLUSTER_SCHEMES)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one node. Build them with `from_environ`, which checks each value and names a wrong one."""

    data_dir: Path
    secret: str  # signs tokens and cookies
    database_url: str | None = None  # None: the node runs its own PostgreSQL
    redis_url: str | None = None  # None: the node runs its own Valkey
    database_pooled_url: str | None = None  # a pooler in front of PostgreSQL, for what clients ask; None: none
    database_read_url: str | None = None  # a replica of PostgreSQL; None: none
    host: str = "127.0.0.1"
    port: int = 8080  # 0: any free one
    workers: int = 1
    demo: bool = False  # adds sample data at the start
    crowd: int = 0  # simulated voters
    reuse_port: bool = False  # one of several workers on the same port
    origins: tuple[str, ...] = ()  # other sites whose pages may connect; the pages of the node always may
    embed_origins: tuple[str, ...] = ()  # other sites that may show /embed/{show} in a frame; "*": all
    trusted_proxies: tuple[Network, ...] = ()  # peers whose X-Forwarded-For is used
    votes_per_day_max: int = VOTES_PER_DAY_DEFAULT  # per user and UTC day
    limits: Limits = DEFAULT_LIMITS  # the limits for one client
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    io_uring: UseIoUring = "auto"  # whether pushes go out in bulk, where the system can (docs/adr/0042)
    service_worker: UseServiceWorker = "on"  # whether browsers keep the page; off: they clear it (docs/adr/0045)
    jwks_url: str | None = None  # the keys of an identity provider, whose tokens are also accepted
    jwt_audience: str | None = None
    jwt_issuer: str | None = None  # None: any
    jwt_role_claim: str | None = None  # None: no claim gives a role
    spotify_client_id: str | None = None
    spotify_client_secret: str | None = None
    spotify_api_url: str = "https://api.spotify.com"
    spotify_accounts_url: str = "https://accounts.spotify.com"
    ticketmaster_api_key: str | None = None
    ticketmaster_api_url: str = "https://app.ticketmaster.com"
    setlistfm_api_key: str | None = None
    setlistfm_api_url: str = "https://api.setlist.fm"
    musicbrainz_api_url: str = "https://musicbrainz.org"
    # The days after which data of a provider is deleted if the provider has not confirmed it; docs/providers.md has the reasons.
    keep_setlistfm_days: int = 14
    keep_ticketmaster_days: int = 45
    keep_spotify_days: int = 45
    keep_musicbrainz_days: int = 365
    smtp_url: str | None = None  # None: no mail is sent
    mail_from: str | None = None  # None: mysetlist@ and the host name of this machine
    alert_webhook_url: str | None = None  # gets a POST when a service is down; None: no alerts
    alert_webhook_secret: bytes | None = None  # signs these (Standard Webhooks); None: they are not signed
    # What is promised over 30 days (docs/operations.md): the share of casts that are answered, and of times up to a limit.
    availability_percent: float = 99.9
    acknowledgement_percent: float = 99.0
    acknowledgement_ms: float = 500.0
    push_percent: float = 99.0
    push_ms: float = 500.0
    backup_age_hours: int = 26  # from which on the newest backup is overdue: a day, and time to make it
    webhook_networks: tuple[Network, ...] = ()  # private networks that webhooks may reach, also without TLS
    webpush_networks: tuple[Network, ...] = ()  # private networks with push services, also without TLS
    metrics_token: str | None = None  # a reader of /metrics sends it as a bearer token; None: anybody may read
    otlp_endpoint: str | None = None  # an OpenTelemetry collector; None: no traces
    traces_ratio: float = 0.01  # share of log entries that are traced
    public_url: str | None = None  # base of the links in mail; None: the address of this node

    def __repr__(self) -> str:
        """Names and values; a value that may hold a password or a key is shown as `…`."""
        return f"Settings({', '.join(f'{name}={text}' for name, text in self.shown().items())})"

    def shown(self) -> dict[str, str]:
        """Values by name, for people; `…` stands for a value that may hold a password or a key."""
        return {field.name: _shown(field.name, getattr(self, field.name)) for field in fields(self)}

    @property
    def kept_days(self) -> dict[str, int]:
        """The days to keep the data of each provider, by its name in the database."""
        return {
            "setlistfm": self.keep_setlistfm_days,
            "ticketmaster": self.keep_ticketmaster_days,
            "spotify": self.keep_spotify_days,
            "musicbrainz": self.keep_musicbrainz_days,
        }

    @property
    def levels(self) -> tuple[Level, ...]:
        """The service levels that this service promises."""
        return (
            Level("availability", self.availability_percent / 100),
            Level("acknowledgement", self.acknowledgement_percent / 100, self.acknowledgement_ms),
            Level("push", self.push_percent / 100, self.push_ms),
        )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, needs_database: bool = False, **overrides: Any) -> Settings:
        """Reads the settings from environment variables; flags of the command line override them.

        An empty variable counts as missing. Without MYSETLIST_SECRET the key comes from the data dir, where it is
        created on first use.

        Takes:  environ, as os.environ; overrides, field -> value of its flag, None: the flag is not given;
                needs_database, for a command that makes no new database: nothing is written when there is none
        Raises: SetupError: a setting does not parse, the key cannot be stored, or there is no database; one line that names it
        """
        given: dict[str, Any] = {}
        for name, (field, parse) in _PARSERS.items():
            text = environ.get(name, "").strip()
            if text:
                given[field] = _parsed(name, text, parse)
        given["limits"] = _limits(environ)
        given.update({field: value for field, value in overrides.items() if value is not None})
        given["data_dir"] = found_data_dir(environ, given.get("data_dir"))
        _check(given)
        if needs_database and "database_url" not in given and not has_database(given["data_dir"]):
            raise SetupError(
                f"{given['data_dir']} has no database, and DATABASE_URL is not set; name the folder of your node with --data-dir"
            )
        if "secret" not in given:
            given["secret"] = _kept_secret(given["data_dir"])
        return cls(**given)


def _parsed(name: str, text: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise SetupError(f"{name}: {error}") from error


def _limits(environ: Mapping[str, str]) -> Limits:
    """Reads the limits. Each has a variable of its name: connections_per_user, MYSETLIST_CONNECTIONS_PER_USER."""
    texts = {field.name: environ.get(f"MYSETLIST_{field.name.upper()}", "").strip() for field in fields(Limits)}
    return Limits(**{name: _parsed(f"MYSETLIST_{name.upper()}", text, _count) for name, text in texts.items() if text})


def unknown_settings(environ: Mapping[str, str]) -> list[str]:
    """One line for each variable that looks like a setting of ours and is none."""
    known = {*_PARSERS, *(f"MYSETLIST_{field.name.upper()}" for field in fields(Limits))}
    lines = []
    for name in sorted(environ.keys() - known):
        if name.startswith("MYSETLIST_"):
            # Without the beginning that all names share, or any two would be similar.
            ends = [other.removeprefix("MYSETLIST_") for other in sorted(known) if other.startswith("MYSETLIST_")]
            meant = difflib.get_close_matches(name.removeprefix("MYSETLIST_"), ends, n=1)
            hint = f"; did you mean MYSETLIST_{meant[0]}?" if meant else ""
            lines.append(f"{name}: there is no such setting{hint}")
    return lines


def found_data_dir(environ: Mapping[str, str], flag: Path | None) -> Path:
    """The data dir of the flag, else of the environment, else the default one (XDG Base Directory Specification). It may not exist.

    Raises: SetupError: there is no default, because this user has no home folder
    """
    base = environ.get("XDG_DATA_HOME", "")
    # The specification says that a relative path must be ignored.
    default = (Path(base) if Path(base).is_absolute() else Path("~/.local/share")) / "mysetlist"
    try:
        return Path(flag or environ.get("MYSETLIST_DATA_DIR", "").strip() or default).expanduser().absolute()
    except RuntimeError:
        reason = "is missing, and this user has no home folder; name a folder that this user can write to"
        raise SetupError(f"MYSETLIST_DATA_DIR: {reason}") from None


def has_database(data_dir: Path) -> bool:
    """Whether a data dir has a PostgreSQL of its own.

    Raises: SetupError: this user may not look
    """
    with data_dir_failures(data_dir):
        return (data_dir / "postgres").exists()


def data_folder(name: Literal["migrations", "static"]) -> Path:
    """A folder that is shipped with the code: at the top of a checkout, or inside the installed package.

    Raises: SetupError: the folder is in neither place: the installation is incomplete
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise SetupError(f"this installation is incomplete: the folder {name!r} is missing; install mysetlist again")


# ──────────────────────────────────────────────────────────────────── parsing


def _text(text: str) -> str:
    return text


def _split(text: str, schemes: tuple[str, ...]) -> SplitResult:
    """Splits an address. Errors never quote it, because it may hold a password."""
    parts = urlsplit(text)
    if parts.scheme not in schemes:
        raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("has a wrong port; a port is a number between 0 and 65535") from error
    return parts


def _redis_url(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme in _CLUSTER_SCHEMES:
        servers, _, options = rest.partition("?")
        for server in servers.rpartition("@")[2].rstrip("/").split(","):
            if not re.fullmatch(r"([^@:\s/\[\]]+|\[[0-9a-fA-F:.]+\]):\d+", server):
                raise ValueError(
                    f"must list its servers as {scheme}://host:port,host:port; a cluster has no database numbers"
                )
            _split(f"redis://{server}", ("redis",))
        url = f"{scheme}://{servers.rstrip('/')}" + (f"?{options}" if options else "")
        check_parameters(f"{scheme.partition('+')[0]}://{server}", options)
        return url
    if scheme in ("redis", "rediss") and "," in re.split("[/?]", rest)[0].rpartition("@")[2]:
        raise ValueError(f"lists several servers; for a cluster, write {scheme}+cluster://host:port,host:port")
    parts = _split(text, _REDIS_SCHEMES)
    if parts.scheme == "unix" and not parts.path.startswith("/"):
        raise ValueError("must give an absolute path, as in unix:///run/valkey.sock")
    if parts.scheme != "unix" and not parts.hostname:
        raise ValueError("names no host; add one, as in redis://cache.example.org")
    check_parameters(text.partition("?")[0], parts.query)
    return text


def _http_url(text: str) -> str:
    if not _split(text, ("https", "http")).hostname:
        raise ValueError("names no host; add one, as in https://example.org")
    return text.rstrip("/")


def _jwks_url(text: str) -> str:
    url = _http_url(text)
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("must start with https://: whoever changes the keys on their way signs in as anybody")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _webhook_secret(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not text.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError(
            'must be whsec_ and 24 to 64 bytes in base64; create one with: echo "whsec_$(openssl rand -base64 32)"'
        )
    return key


def _metrics_token(text: str) -> str:
    if len(text) < METRICS_TOKEN_CHARS_MIN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"must have {METRICS_TOKEN_CHARS_MIN} or more characters and no spaces; create one with: openssl rand -hex 32"
        )
    return text


def _smtp_url(text: str) -> str:
    if not _split(text, ("smtps", "smtp")).hostname:
        raise ValueError("names no host; add one, as in smtp://mail.example.org")
    return text


def _mail_from(text: str) -> str:
    if text.isprintable():
        message = EmailMessage(policy=SMTP)
        message["From"] = text
        match message["From"].addresses:
            case [one] if one.username and one.domain and one.addr_spec.isascii() and not message["From"].defects:
                return text
    raise ValueError("is not one mail address; write it as in MySetlist <mysetlist@example.org>")


def _secret(text: str) -> str:
    if len(text.encode()) < SECRET_BYTES_MIN:
        raise ValueError(f"must be at least {SECRET_BYTES_MIN} bytes long; create one with: openssl rand -hex 32")
    return text


def _items(text: str) -> list[str]:
    return [item for item in re.split(r"[,\s]+", text) if item]


def _origins(text: str) -> tuple[str, ...]:
    found = []
    for item in _items(text):
        origin = origin_of(item.rstrip("/"))
        if origin is None:
            raise ValueError(f"{item!r} is no origin; write it as in https://example.org or http://localhost:3000")
        found.append(origin)
    return tuple(dict.fromkeys(found))


def _embed_origins(text: str) -> tuple[str, ...]:
    return ("*",) if text == "*" else _origins(text)


def _networks(text: str) -> tuple[Network, ...]:
    found: list[Network] = []
    for item in _items(text):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError as error:
            raise ValueError(
                f"{item!r} is no address or network ({error}); write it as in 10.0.0.1 or 10.0.0.0/8"
            ) from error
    return tuple(found)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError(f"{text!r} is not a whole number between 1 and 999999999")
    return int(text)


def _days(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= KEEP_DAYS_MAX:
        raise ValueError(f"{text!r} is not a whole number of days between 1 and {KEEP_DAYS_MAX}")
    return int(text)


def _hours(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= BACKUP_AGE_HOURS_MAX:
        raise ValueError(f"{text!r} is not a whole number of hours between 1 and {BACKUP_AGE_HOURS_MAX}")
    return int(text)


def _ratio(text: str) -> float:
    if not re.fullmatch(r"[0-9]{0,4}\.?[0-9]{1,20}", text) or float(text) > 1:
        raise ValueError(f"{text!r} is not a number between 0 and 1; write it as in 0.01")
    return float(text)


def _percent(text: str) -> float:
    if not re.fullmatch(r"[0-9]{2}(\.[0-9]{1,3})?", text) or not 50 <= float(text) < 100:
        raise ValueError(f"{text!r} is not a number from 50 to 99.999; write it as in 99.9")
    return float(text)


def _time_ms(text: str) -> float:
    counted_ms = {f"{limit * 1000:g}": limit * 1000 for limit in SECONDS}
    if text not in counted_ms:
        raise ValueError(f"{text!r} is not one of {', '.join(counted_ms)}, up to which times are counted")
    return counted_ms[text]


def _one_of(choices: object) -> Callable[[str], str]:
    """A parser of a Literal."""

    def parse(text: str) -> str:
        if text not in get_args(choices):
            raise ValueError(f"{text!r} is not one of {', '.join(get_args(choices))}")
        return text

    return parse


_PARSERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "DATABASE_URL": ("database_url", database_url_of),
    "DATABASE_POOLED_URL": ("database_pooled_url", pooled_url_of),
    "DATABASE_READ_URL": ("database_read_url", read_url_of),
    "REDIS_URL": ("redis_url", _redis_url),
    "MYSETLIST_DATA_DIR": ("data_dir", Path),
    "MYSETLIST_SECRET": ("secret", _secret),
    "MYSETLIST_JWKS_URL": ("jwks_url", _jwks_url),
    "MYSETLIST_JWT_AUDIENCE": ("jwt_audience", _text),
    "MYSETLIST_JWT_ISSUER": ("jwt_issuer", _text),
    "MYSETLIST_JWT_ROLE_CLAIM": ("jwt_role_claim", _text),
    "MYSETLIST_ORIGINS": ("origins", _origins),
    "MYSETLIST_EMBED_ORIGINS": ("embed_origins", _embed_origins),
    "MYSETLIST_TRUSTED_PROXIES": ("trusted_proxies", _networks),
    "MYSETLIST_VOTES_PER_DAY": ("votes_per_day_max", _count),
    "MYSETLIST_LOG_FORMAT": ("log_format", _one_of(LogFormat)),
    "MYSETLIST_LOG_LEVEL": ("log_level", _one_of(LogLevel)),
    "MYSETLIST_IO_URING": ("io_uring", _one_of(UseIoUring)),
    "MYSETLIST_SERVICE_WORKER": ("service_worker", _one_of(UseServiceWorker)),
    "SPOTIFY_CLIENT_ID": ("spotify_client_id", _text),
    "SPOTIFY_CLIENT_SECRET": ("spotify_client_secret", _text),
    "SPOTIFY_API_URL": ("spotify_api_url", _http_url),
    "SPOTIFY_ACCOUNTS_URL": ("spotify_accounts_url", _http_url),
    "TICKETMASTER_API_KEY": ("ticketmaster_api_key", _text),
    "TICKETMASTER_API_URL": ("ticketmaster_api_url", _http_url),
    "SETLISTFM_API_KEY": ("setlistfm_api_key", _text),
    "SETLISTFM_API_URL": ("setlistfm_api_url", _http_url),
    "MUSICBRAINZ_API_URL": ("musicbrainz_api_url", _http_url),
    "MYSETLIST_KEEP_SETLISTFM_DAYS": ("keep_setlistfm_days", _days),
    "MYSETLIST_KEEP_TICKETMASTER_DAYS": ("keep_ticketmaster_days", _days),
    "MYSETLIST_KEEP_SPOTIFY_DAYS": ("keep_spotify_days", _days),
    "MYSETLIST_KEEP_MUSICBRAINZ_DAYS": ("keep_musicbrainz_days", _days),
    "SMTP_URL": ("smtp_url", _smtp_url),
    "MYSETLIST_MAIL_FROM": ("mail_from", _mail_from),
    "MYSETLIST_ALERT_WEBHOOK_URL": ("alert_webhook_url", _http_url),
    "MYSETLIST_ALERT_WEBHOOK_SECRET": ("alert_webhook_secret", _webhook_secret),
    "MYSETLIST_BACKUP_AGE_HOURS": ("backup_age_hours", _hours),
    "MYSETLIST_AVAILABILITY_PERCENT": ("availability_percent", _percent),
    "MYSETLIST_ACKNOWLEDGEMENT_PERCENT": ("acknowledgement_percent", _percent),
    "MYSETLIST_ACKNOWLEDGEMENT_MS": ("acknowledgement_ms", _time_ms),
    "MYSETLIST_PUSH_PERCENT": ("push_percent", _percent),
    "MYSETLIST_PUSH_MS": ("push_ms", _time_ms),
    "MYSETLIST_WEBHOOK_NETWORKS": ("webhook_networks", _networks),
    "MYSETLIST_WEBPUSH_NETWORKS": ("webpush_networks", _networks),
    "MYSETLIST_METRICS_TOKEN": ("metrics_token", _metrics_token),
    "MYSETLIST_PUBLIC_URL": ("public_url", _http_url),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("otlp_endpoint", _http_url),
    "OTEL_TRACES_SAMPLER_ARG": ("traces_ratio", _ratio),
}


def _check(given: Mapping[str, Any]) -> None:
    """Checks the flags, and settings that depend on each other."""
    if not 0 <= given.get("port", 0) <= 65535:
        raise BadArgument(f"--port: {given['port']} is not between 0 and 65535")
    if not 1 <= given.get("workers", 1) <= WORKERS_MAX:
        raise BadArgument(f"--workers: {given['workers']} is not between 1 and {WORKERS_MAX}")
    if not 0 <= given.get("crowd", 0) <= CROWD_MAX:
        raise BadArgument(f"--crowd: {given['crowd']} is not between 0 and {CROWD_MAX}")
    for name in ("DATABASE_POOLED_URL", "DATABASE_READ_URL"):
        if name.lower() in given and "database_url" not in given:
            raise SetupError(f"DATABASE_URL: is missing; {name} needs it, because votes go to the primary itself")
    if ("spotify_client_id" in given) != ("spotify_client_secret" in given):
        missing = "SPOTIFY_CLIENT_SECRET" if "spotify_client_id" in given else "SPOTIFY_CLIENT_ID"
        raise SetupError(f"{missing}: is missing; Spotify needs both its id and its secret")
    for field in ("jwt_audience", "jwt_issuer", "jwt_role_claim"):
        if field in given and "jwks_url" not in given:
            raise SetupError(f"MYSETLIST_JWKS_URL: is missing; MYSETLIST_{field.upper()} has no effect without it")
    if "jwt_role_claim" in given and "jwt_issuer" not in given:
        # Without it, every issuer whose keys are in the set could name administrators here.
        raise SetupError(
            "MYSETLIST_JWT_ISSUER: is missing; MYSETLIST_JWT_ROLE_CLAIM needs it, because roles come only from one issuer"
        )
    if "alert_webhook_secret" in given and "alert_webhook_url" not in given:
        raise SetupError(
            "MYSETLIST_ALERT_WEBHOOK_URL: is missing; MYSETLIST_ALERT_WEBHOOK_SECRET has no effect without it"
        )
    if "jwks_url" in given and "jwt_audience" not in given:
        # Without an audience, a token that the provider made for another program would be accepted.
        raise SetupError("MYSETLIST_JWT_AUDIENCE: is missing; MYSETLIST_JWKS_URL needs it to check tokens")


def _kept_secret(data_dir: Path) -> str:
    """The signing key in the data dir, created on first use. Two nodes that start at the same time get the same key.

    Raises: SetupError: the folder cannot be written, or the file holds no key
    """
    path = data_dir / "secret"
    with data_dir_failures(data_dir):
        make_data_dir(data_dir)
        if not path.exists():
            # The file gets its name when it is complete, so that no process reads half a key. mkstemp makes it private.
            descriptor, draft = tempfile.mkstemp(prefix=".secret-", dir=data_dir)
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_hex(SECRET_BYTES_MIN) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                _name(Path(draft), path)
            finally:
                Path(draft).unlink(missing_ok=True)
        secret = path.read_bytes()
    try:
        return _secret(secret.decode().strip())
    except ValueError as error:
        raise SetupError(f"the signing key in {path} {error}; remove the file to get a new one") from error


def _name(draft: Path, path: Path) -> None:
    """Gives a complete file its name, unless another process was faster."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    except OSError:
        # A file system without hard links. Of two nodes that start at the same moment the last one wins; the other one then
        # finds that their keys differ (voting.leases).
        draft.replace(path)


_HIDDEN = ("secret", "url", "key", "token")


def _shown(name: str, value: object) -> str:
    if value is not None and name.endswith(_HIDDEN):
        return "…"
    return repr(value)
