"""MySetlist: real-time voting for concert setlists.

Owns:      one node, from the socket to the row
Rooms:     app composes; voting, live, catalog, people and the others are rooms that do not know each other;
           store and cache speak to PostgreSQL and Valkey; protocol, clock, errors and telemetry know nobody
Imports:   downward only, checked by import-linter (pyproject.toml)
"""

__version__ = "0.1.0"
