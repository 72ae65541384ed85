"""The `mysetlist` command's shell: names, durations, one line for what cannot go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import main as command_line
from server.cli.terminal import duration_s
from server.errors import SetupError

COMMANDS = ("serve", "migrate", "seed", "crowd", "watch", "reconcile", "token", "export", "backup", "restore", "doctor")


def test_help_names_every_command() -> None:
    """What the contract promises is there, each with a line of help."""
    shown = CliRunner().invoke(command_line.app, ["--help"])
    assert shown.exit_code == 0
    for name in COMMANDS:
        assert f" {name} " in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """`--help` works for each, without starting anything."""
    assert CliRunner().invoke(command_line.app, [name, "--help"]).exit_code == 0


def test_help_loads_nothing_heavy() -> None:
    """Asking for help costs a moment: neither web server nor database drivers are imported."""
    check = "import sys, server.cli.main; sys.exit(any(m in sys.modules for m in ('aiohttp', 'asyncpg', 'redis', 'uvloop')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)])
def test_durations(text: str, seconds: int) -> None:
    """A number and a unit."""
    assert duration_s("--ttl", text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "0s", "-1h", "1.5h", "1w", "٣h"])
def test_what_is_no_duration_is_named(text: str) -> None:
    """The line names the flag and shows what it should look like."""
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
def test_sample_data_that_cannot_be_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str], line: str
) -> None:
    """Exit 1 with the flag and what it may be, before any engine is started."""
    monkeypatch.setattr(sys, "argv", ["mysetlist", "seed", "--data-dir", str(tmp_path), *flags])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == f"mysetlist: {line}\n"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_go_on_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit 1, one line on stderr that says which setting, no traceback, nothing on stdout."""
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
