"""Options of the benchmarks that do nothing together are refused: a run takes minutes, and would measure something else."""

from __future__ import annotations

from collections.abc import Callable

import curves
import pytest
import votes


@pytest.mark.parametrize(
    ("parse", "given", "message"),
    [
        (votes.parse, "--in-c --watchers 20", "--in-c takes no --watchers"),
        (votes.parse, "--in-c --rate 5 --no-verify", "--in-c takes no --rate, --no-verify"),
        (curves.parse, "--draw --quick", "it takes no NAME, --quick or --write"),
        (curves.parse, "--draw shows", "it takes no NAME, --quick or --write"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    parse: Callable[[list[str]], object], given: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names them."""
    with pytest.raises(SystemExit):
        parse(given.split())
    assert message in capsys.readouterr().err


def test_a_crowd_has_watchers_and_voters_in_c_have_none() -> None:
    """As the help says."""
    assert votes.parse([]).watchers == 20
    assert votes.parse(["--in-c"]).watchers is None
