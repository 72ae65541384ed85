"""Imported last by the process that forks commands: what it has imported is shared with them for good.

So are the certificates of all authorities, which take 20 ms to load.

The garbage collector of a command would look at all of it, and write to each page of memory that has some: 0.1 s of CPU.
"""

import gc

from server.sync.clients.provider import _tls_context

_tls_context()
gc.collect()
gc.freeze()
