"""insight: trending, vote statistics, accuracy and activity.

Owns:      trending, vote statistics, visits and their routes, the accuracy of predictions, the list of recent activity
Threads:   event loop only; one node at a time does the chores (store/chores.py)
Limits:    TRENDING_MAX items, PERIOD_DAYS_MAX, VOTERS_AT_ONCE_MAX, REASONS_MAX (docs/limits.md)
Never:     counts votes while a client waits: it reads the sums and tallies that the writer and the chores keep
"""
