"""load: a crowd that votes and watches, and checks at the end that every vote is counted once.

Owns:      the choice of votes, their pace, the measurements, the comparison at the end
Processes: a large crowd is several processes with one event loop each; they share nothing but the clock
Lifecycle: `crowd.run` returns when its duration is over or it is stopped, with all sockets closed
Limits:    SIGN_INS_AT_ONCE_MAX, SHOWS_AT_ONCE_MAX, CONNECTS_AT_ONCE_MAX, BALLOTS_AT_ONCE_MAX, KNOWN_PUSHES_MAX,
           MILESTONES_MAX, SAMPLES_PER_S_MAX, SAMPLES_MAX, DIFFERENCES_MAX (docs/limits.md)
Never:     imports a room of the server; shows a count that the server did not send
"""
