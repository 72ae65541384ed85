"""store: PostgreSQL, the truth.

Owns:      the pool, dedicated connections, named queries, migrations; backups; the only room that uses asyncpg
Threads:   event loop only
Limits:    POOL_SIZE connections; COMMAND_TIMEOUT_S for a statement (docs/limits.md)
Never:     decides a rule of voting; raises the driver's exceptions
"""
