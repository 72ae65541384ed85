"""load: a crowd that votes and watches, and checks at the end that every vote was counted once.

Owns:      the choice of votes, their pace, measurements, the comparison at the end
Threads:   one event loop a process; a large crowd is several processes that share nothing but the clock
Lifecycle: `crowd.run` returns when its time is over or it is told to stop, sockets closed
Limits:    DIFFERENCES_MAX, SAMPLES_MAX, KNOWN_PUSHES_MAX, CONNECTING_MAX, SIGNING_IN_MAX (docs/limits.md)
Never:     imports a room of the server; believes a count that the server did not send
"""
