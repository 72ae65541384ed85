"""`mysetlist crowd`: load, and proof that every vote was counted once."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.terminal import URL_DEFAULT, Url, run_to_end


def crowd(
    url: Url = URL_DEFAULT,
    show: Annotated[int | None, typer.Option(help="Its id; without it, every show whose voting is open.")] = None,
    voters: Annotated[int, typer.Option(help="Connections that vote.")] = 50,
    watchers: Annotated[int, typer.Option(help="Connections that only watch.")] = 0,
    rate: Annotated[float, typer.Option(help="Casts a second in all; 0 for as fast as they are answered.")] = 20.0,
    duration: Annotated[float, typer.Option(help="Seconds; 0 to go on until stopped.")] = 10.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every count at the end; exit 1 if one is off.")
    ] = False,
    random_seed: Annotated[int, typer.Option("--seed", help="The same number casts the same votes.")] = 1,
    natural: Annotated[bool, typer.Option("--natural", help="In bursts and lulls, as people do.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="Voters watch their shows too.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Others vote on these shows meanwhile.")] = False,
    votes_per_cast: Annotated[int, typer.Option(min=1, max=100, help="Songs in one cast.")] = 1,
    in_flight: Annotated[int, typer.Option(min=1, max=100, help="Unanswered casts a voter may have.")] = 1,
    processes: Annotated[int, typer.Option(min=0, max=16, help="0: as many as the load needs.")] = 0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds of patience with the last answers.")] = 10.0,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Vote and watch like a crowd; print what came of it as one JSON object."""
    import orjson

    from server.load.crowd import CrowdOptions, run

    if with_parent:
        from server.node.workers import end_with_parent

        end_with_parent()
    options = CrowdOptions(
        url=url,
        show=show,
        voters=voters,
        watchers=watchers,
        rate_per_s=rate,
        duration_s=duration,
        verify=verify,
        seed=random_seed,
        natural=natural,
        subscribe=subscribe,
        shared=shared,
        votes_per_cast=votes_per_cast,
        in_flight=in_flight,
        processes=processes,
        settle_s=settle,
    )
    report = run_to_end(run(options))
    typer.echo(orjson.dumps(report).decode())
    if not report["ok"]:
        raise typer.Exit(1)
