"""Imported last by the process that forks commands: what it has imported is shared with them for good.

So are the certificates of all authorities, which take 20 ms to load, and the words of all commands, which Typer would read again from
the functions, in 20 ms.

The garbage collector of a command would look at all of it, and write to each page of memory that has some: 0.1 s of CPU.
"""

import gc

from typer.main import get_command

from server.cli import main
from server.sync.clients.provider import _tls_context

_tls_context()
main.app = get_command(main.app)  # type: ignore[assignment]  # both are called without arguments
gc.collect()
gc.freeze()
gc.enable()
