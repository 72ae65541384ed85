"""`mysetlist audit`: checks that nobody has altered the audit log by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import DataDir, run_to_end, settings_from
from server.errors import BadArgument

if TYPE_CHECKING:
    from server.moderation.audit_chain import Findings


def audit(
    log: Annotated[bool, typer.Option("--log", help="Check the audit log of staff.")] = False,
    head: Annotated[
        str | None, typer.Option("--head", help="A head that an earlier check or a node's log has printed.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare the audit log with its chain of hashes; exit 1 if an entry was altered, added or removed by hand."""
    from server.cli.engines import engines_for
    from server.moderation.audit_chain import Head, check

    if not log:
        raise BadArgument("Nothing to check. Give --log, for the audit log of staff.")
    noted = Head.parse(head) if head else None
    settings = settings_from(data_dir=data_dir)

    async def command() -> Findings:
        async with engines_for(settings, valkey=False, tables=True) as engines:
            return await check(engines.database_url, noted)

    findings = run_to_end(command())
    for problem in findings.problems:
        typer.echo(problem)
    if findings.problems:
        raise typer.Exit(1)
    erased = f"; {findings.erased_count} of them were erased with an account" if findings.erased_count else ""
    typer.echo(f"the audit log agrees with its chain: {findings.entry_count} entries{erased}")
    if findings.head is not None:
        typer.echo(f"head {findings.head}")
        typer.echo("Keep this line somewhere else. With --head it shows later that nothing before it was changed.")
