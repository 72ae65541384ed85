"""The `mysetlist` command line: its commands, flags and error lines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import typer.main
import typer.testing
from typer.testing import CliRunner

from server.cli import main as command_line
from server.cli.terminal import duration_s, raise_file_limit
from server.errors import BadArgument, SetupError

COMMANDS = (
    "serve", "migrate", "sync", "seed", "crowd", "watch", "reconcile", "audit", "token", "export", "backup", "restore", "drill", "doctor",
    "upgrade", "dump-public",
)  # fmt: skip


def command_words() -> Iterator[tuple[str, ...]]:
    """The words of each command, those in groups too."""
    for name, command in cast("Any", typer.main.get_command(command_line.app)).commands.items():
        yield (name,)
        for inner in getattr(command, "commands", ()):
            yield (name, inner)


@pytest.fixture(scope="module", autouse=True)
def _commands_are_read_once() -> Iterator[None]:
    """Typer reads the functions of all commands at each call, in 20 ms."""
    read_once = cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", read_once)
        patch.setattr(typer.testing, "_get_command", read_once)
        yield


HEAVY = ("aiohttp", "asyncpg", "redis", "uvloop", "picows", "rich.progress", "server.settings")


def test_a_limit_that_the_system_refuses_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """MacOS names a limit that it does not allow, even to root; a command goes on with the limit of now, if it is enough."""

    def setrlimit(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr("server.cli.terminal.resource.setrlimit", setrlimit)
    raise_file_limit()
    with pytest.raises(SetupError, match="open files are needed"):
        raise_file_limit(2**40)


def test_help_names_every_command() -> None:
    """`mysetlist --help` lists every command."""
    shown = CliRunner().invoke(command_line.app, ["--help"])
    assert shown.exit_code == 0
    for name in COMMANDS:
        assert f" {name} " in shown.output


@pytest.mark.parametrize("words", list(command_words()), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    """`mysetlist X --help` prints its help with every word of it, and starts nothing. Rich takes `[word]` for markup, and drops it."""
    command: Any = typer.main.get_command(command_line.app)
    for word in words:
        command = command.commands[word]
    shown = CliRunner().invoke(command_line.app, [*words, "--help"])
    assert shown.exit_code == 0
    printed = set(shown.output.replace("│", " ").split())
    assert set(command.help.split()) <= printed
    for parameter in command.params:
        assert set((parameter.help or "").split()) <= printed, parameter.name


def test_help_imports_nothing_heavy() -> None:
    """`--help` answers at once: the command line imports no web server, no driver and no event loop."""
    code = f"import sys, server.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [("crowd",), ("watch", "7"), ("audit", "7")])
@pytest.mark.parametrize("url", ["nope", "127.0.0.1:8080", "http://", "ftp://host", ""])
def test_an_address_is_an_address(words: tuple[str, ...], url: str) -> None:
    """A wrong one is named at once, not after half a minute of attempts."""
    with pytest.raises(BadArgument, match=r"^--url: .* write http://host:8080 or https://host$"):
        CliRunner().invoke(command_line.app, [*words, "--url", url], catch_exceptions=False)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)])
def test_durations(text: str, seconds: int) -> None:
    """A duration is a number and a unit."""
    assert duration_s("--ttl", text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "0s", "-1h", "1.5h", "1w", "٣h"])
def test_an_invalid_duration_is_named(text: str) -> None:
    """The error names the flag and shows valid durations."""
    with pytest.raises(SetupError, match="^--ttl: .* is no duration; write 90s, 15m, 1h or 7d$"):
        duration_s("--ttl", text)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--profile", "large", "--shows", "0"], "--shows: 0 is not between 1 and 100000"),
        (["--profile", "large", "--shows", "2", "--votes", "100001"], "--votes: 100001 is not between 0 and the 100000 that 2 shows hold"),
        (["--profile", "large", "--votes", "-1"], "--votes: -1 is not between 0 and the 50000000 that 1000 shows hold"),
        (["--profile", "large", "--seed", "-1"], "--seed: -1 is negative"),
        (["--votes", "5"], "--shows and --votes need --profile large"),
    ],
)  # fmt: skip
def test_an_impossible_amount_of_sample_data_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str], line: str
) -> None:
    """The error names the flag and its range, and comes before any engine starts."""
    monkeypatch.setattr(sys, "argv", ["mysetlist", "seed", "--data-dir", str(tmp_path), *flags])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"mysetlist: {line}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["serve", "--port", "99999"], "--port: 99999 is not between 0 and 65535"),
        (["serve", "--workers", "0"], "--workers: 0 is not between 1 and 64"),
        (["serve", "--crowd", "-1"], "--crowd: -1 is not between 0 and 10000"),
        (["serve", "--data-dir", ""], "--data-dir: is empty; name a folder, or leave the flag out"),
        (["token", "--ttl", "366d"], "--ttl: 366d is longer than 365d, the longest life of a token; an API key has no such limit"),
        (["token", "--ttl", "9999d"], "--ttl: 9999d is longer than 365d, the longest life of a token; an API key has no such limit"),
        (["token", "--ttl", "1y"], "--ttl: '1y' is no duration; write 90s, 15m, 1h or 7d"),
        (["crowd", "--voters", "0"], "A crowd needs at least one voter or watcher."),
        (["sync", "artist", " "], "the name of the artist is empty; give a name or a MusicBrainz id"),
        (["watch", "x\udcff"], r"'x\udcff' is not UTF-8; write it in UTF-8, and rename a file or folder that is called so"),
        (["crowd", "--rate", "-1"], "Rates and times cannot be negative."),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], line: str
) -> None:
    """The error comes before any engine starts; the exit code is that of a wrong command line."""
    monkeypatch.setenv("MYSETLIST_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["mysetlist", *words])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    assert (caught.value.code, capsys.readouterr().err) == (2, f"mysetlist: {line}\n")
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The command exits with 1 and one line on stderr that names the setting: no traceback, nothing on stdout."""
    monkeypatch.setenv("REDIS_URL", "nonsense")
    monkeypatch.setattr(sys, "argv", ["mysetlist", "serve", "--data-dir", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    printed = capsys.readouterr()
    assert caught.value.code == 1
    assert printed.out == ""
    assert printed.err.startswith("mysetlist: REDIS_URL: must start with redis://")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        *(
            (words, "{} has no database, and DATABASE_URL is not set; name the folder of your node with --data-dir")
            for words in (
                ["backup", "file"], ["backup", "folder", "--every", "1d"], ["drill", "file"], ["reconcile"], ["reconcile", "--repair"], ["token"],
                ["export", "1"], ["dump-public", "folder"], ["audit", "--log"], ["migrate", "status"], ["migrate", "down", "--yes"],
                ["sync", "status"], ["sync", "forget", "setlistfm", "--yes"],
            )
        ),
        (["upgrade"], "no node runs with the data dir {}; name its --data-dir, or ask it with: kill -USR2 PID"),
    ],
)  # fmt: skip
def test_a_mistyped_data_dir_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], line: str
) -> None:
    """A new database would be empty: without differences, or worth a backup of nothing. The command makes no folder."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    mistyped = tmp_path / "nod1"
    monkeypatch.setattr(sys, "argv", ["mysetlist", *words, "--data-dir", str(mistyped)])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    assert (caught.value.code, capsys.readouterr().err) == (1, f"mysetlist: {line.format(mistyped)}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_backup_file_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A restore looks for its file before it starts engines, and before it asks whether all data may go."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    file = tmp_path / "bakup"
    monkeypatch.setattr(sys, "argv", ["mysetlist", "restore", str(file), "--data-dir", str(tmp_path / "node")])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    line = f"mysetlist: cannot read {file}: No such file or directory\n"
    assert (caught.value.code, capsys.readouterr().err) == (1, line)
    assert list(tmp_path.iterdir()) == []
