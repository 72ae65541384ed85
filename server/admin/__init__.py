"""admin: the database looked at and looked after, health, days in numbers.

Owns:      database_operations, service_health, platform_stats; their queries, routes and loops
Threads:   event loop only; one operation at a time over all nodes, on a connection of its own
Limits:    what is kept how long (retention.py); PROGRESS_EVERY_S, VIOLATIONS_MAX (docs/limits.md)
Never:     serves a client that is no administrator; changes a vote
"""
