"""`mysetlist crowd`: puts load on a node, and checks that it counts every vote once."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.terminal import URL_DEFAULT, Url, raise_file_limit, run_to_end


def crowd(
    url: Url = URL_DEFAULT,
    show: Annotated[
        int | None, typer.Option(help="Id of the show.", show_default="every show with open voting")
    ] = None,
    voters: Annotated[int, typer.Option(help="Number of connections that vote.")] = 50,
    watchers: Annotated[int, typer.Option(help="Number of connections that only watch.")] = 0,
    rate: Annotated[float, typer.Option(help="Casts a second, all voters together; 0: as fast as answered.")] = 20.0,
    duration: Annotated[float, typer.Option(help="Seconds; 0: until stopped.")] = 10.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every count at the end; exit 1 if one is wrong.")
    ] = False,
    random_seed: Annotated[int, typer.Option("--seed", help="The same number casts the same votes.")] = 1,
    natural: Annotated[bool, typer.Option("--natural", help="Cast in bursts and lulls, as people do.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="Voters also watch their shows.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Other clients vote on these shows meanwhile.")] = False,
    votes_per_cast: Annotated[int, typer.Option(min=1, max=100, help="Number of songs in one cast.")] = 1,
    in_flight: Annotated[int, typer.Option(min=1, max=100, help="Unanswered casts allowed for each voter.")] = 1,
    processes: Annotated[int, typer.Option(min=0, max=16, help="0: as many as the load needs.")] = 0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds to wait for the last answers.")] = 10.0,
    with_parent: Annotated[int | None, typer.Option("--with-parent", hidden=True)] = None,
) -> None:
    """Vote and watch like a crowd; print the result as one JSON object."""
    import orjson

    from server.load.crowd import CrowdOptions, run

    if with_parent is not None:
        from server.node.workers import end_with_parent

        end_with_parent(with_parent)
    raise_file_limit()
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
