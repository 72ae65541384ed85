"""insight: what the votes say.

Owns:      trending scores, vote statistics and their routes, how well shows were foreseen
Threads:   event loop only; scores are refreshed by one node at a time (store/chores.py)
Limits:    TRENDING_MAX items, SERIES_DAYS_MAX, REASONS_MAX (docs/limits.md)
Never:     counts a vote itself: it reads the hourly roll-ups and tallies that the writer keeps
"""
