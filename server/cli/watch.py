"""`mysetlist watch`: the counts of a show, live in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.terminal import URL_DEFAULT, Url, run_to_end


def watch(show: Annotated[str, typer.Argument(help="Id or slug of the show.")], url: Url = URL_DEFAULT) -> None:
    """Follow the counts of a show in the terminal."""
    from server.cli.live_board import run

    run_to_end(run(url, show))
