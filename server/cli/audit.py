"""`mysetlist audit`: recounts a show from its public ledger, or checks that nobody has altered the audit log by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import URL_DEFAULT, DataDir, Url, run_to_end, settings_from
from server.errors import BadArgument, SetupError

if TYPE_CHECKING:
    from server.ledger.recount import Audit
    from server.moderation.audit_chain import Findings


def audit(
    show: Annotated[str | None, typer.Argument(help="Id or slug of a show to recount.")] = None,
    url: Url = URL_DEFAULT,
    key: Annotated[
        str | None, typer.Option("--key", help="The key of the ledger, from somewhere else than the server.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="A checkpoint that was kept, to which the ledger must only have added."),
    ] = None,
    witness: Annotated[
        str | None, typer.Option("--witness", help="The key of the witness that has cosigned --checkpoint.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Write the checkpoint to this file, for the next time.")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Check the audit log of staff.")] = False,
    head: Annotated[
        str | None, typer.Option("--head", help="A head that an earlier check or a node's log has printed.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Recount a show from its public ledger, or compare the audit log with its chain (--log); exit 1 on any difference."""
    if log == (show is not None):
        raise BadArgument("Give a show to recount, or --log for the audit log of staff.")
    if show is not None:
        _refuse("--log", {"--head": head})
        _recount(show, url, key=key, checkpoint=checkpoint, witness=witness, keep=keep)
    else:
        _refuse(
            "the ledger of a show", {"--key": key, "--checkpoint": checkpoint, "--witness": witness, "--keep": keep}
        )
        _check_log(head, data_dir)


def _refuse(other: str, options: dict[str, object]) -> None:
    """Refuses options that belong to the other audit."""
    if given := [name for name, value in options.items() if value is not None]:
        raise BadArgument(f"{given[0]} is for {other}. Leave it out.")


def _recount(
    show: str, url: str, *, key: str | None, checkpoint: Path | None, witness: str | None, keep: Path | None
) -> None:
    from server.ledger.audit import Missing
    from server.ledger.audit import audit as recount
    from server.ledger.files import public_files
    from server.ledger.notes import NoteError, VerifierKey

    try:
        known = VerifierKey.parse(key) if key else None
        cosigner = VerifierKey.parse(witness) if witness else None
        earlier = checkpoint.read_text() if checkpoint else None
    except NoteError as error:
        raise BadArgument(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadArgument(f"--checkpoint: {checkpoint} cannot be read: {error}") from error

    async def command() -> Audit:
        async with public_files(url) as get:
            return await recount(get, show, key=known, earlier=earlier, witness=cosigner)

    try:
        found = run_to_end(command())
    except Missing as error:
        raise SetupError(f"{error}. Look at --url and the show.") from error
    for line in [*found.facts, *found.problems]:
        # Names and titles come from the server. They must not bring control characters to the terminal.
        typer.echo("".join(character if character.isprintable() else "?" for character in line))
    if found.problems:
        raise typer.Exit(1)
    if keep is not None:
        try:
            keep.write_text(found.checkpoint)
        except OSError as error:
            raise SetupError(f"--keep: {keep} cannot be written: {error}. The checkpoint was not kept.") from error


def _check_log(head: str | None, data_dir: Path | None) -> None:
    from server.cli.engines import engines_for
    from server.moderation.audit_chain import Head, check

    noted = Head.parse(head) if head else None
    settings = settings_from(data_dir=data_dir, needs_database=True)

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
