"""insight: trending, vote statistics, accuracy and activity.

Owns:      trending scores, vote statistics and their routes, the accuracy of predictions, the list of recent activity
Threads:   event loop only; one node at a time refreshes scores (store/chores.py)
Limits:    TRENDING_MAX items, SERIES_DAYS_MAX, REASONS_MAX (docs/limits.md)
Never:     counts votes itself: it reads the hourly roll-ups and tallies that the writer keeps
"""
