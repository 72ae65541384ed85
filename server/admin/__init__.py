"""admin: statistics, health, retention and operations of the database.

Owns:      database_operations, service_health, service_alerts, platform_stats; their queries, routes and loops
Threads:   event loop only; one operation at a time over all nodes, on a connection of its own
Limits:    the days of retention (retention.py); PROGRESS_EVERY_S, VIOLATIONS_MAX (docs/limits.md)
Never:     serves a client without an administrator's rights; changes a vote
"""
