"""voting: takes a cast from its request to its row in PostgreSQL, exactly once.

Owns:      the log of accepted casts, the script that decides them, the writer that commits them
Threads:   event loop only; tasks for the rounds, the settlement and the warm-up of the intake; one task for the writer
Lifecycle: the intake starts before the first socket; the writer runs on every node and works for the shards it leases
Limits:    PENDING_CASTS_MAX, SCRIPT_VOTES_MAX, AWAITING_CASTS_MAX, BATCH_VOTES_MAX (docs/limits.md)
Never:     talks to a socket; believes Valkey about commits
"""
