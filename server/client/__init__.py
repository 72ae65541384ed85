"""client: the other side of the wire; a client for programs, a board for a terminal that stands on it, and a crowd.

Owns:      outgoing websockets and their reconnecting, the choice of votes, measurements, the comparison at the end
Threads:   one event loop a process; a large crowd is several processes that share nothing but the clock
Lifecycle: `Client` until it is closed; `crowd.run` and `watch.run` return when their time is over or they are told to stop, sockets closed
Limits:    DIFFERENCES_MAX, MILESTONES_MAX, SAMPLES_MAX, KNOWN_PUSHES_MAX, CONNECTING_MAX, SIGNING_IN_MAX (docs/limits.md)
Never:     imports a room of the server; knows PostgreSQL or Valkey; believes a count it has not been sent
"""
