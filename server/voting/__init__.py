"""voting: from a cast to a row in PostgreSQL, exactly once.

Owns:      the log of accepted casts, the script that decides them, the writer that commits them
Threads:   event loop only; one task for intake, one for loading, one for the writer
Lifecycle: intake starts before the first socket; the writer runs on every node and works for the shards it leases
Limits:    PENDING_CASTS_MAX, SCRIPT_VOTES_MAX, AWAITING_CASTS_MAX, BATCH_VOTES_MAX (docs/limits.md)
Never:     talks to a socket; trusts Valkey about what is committed
"""
