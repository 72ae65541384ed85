"""store: PostgreSQL, the truth.

Owns:      the pool, dedicated connections, named queries, migrations; the only room that knows asyncpg
Threads:   event loop only
Limits:    POOL_SIZE connections; COMMAND_TIMEOUT_S a statement (docs/limits.md)
Never:     decides a rule of voting; lets a driver's exception out
"""
