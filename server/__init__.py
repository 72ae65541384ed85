"""MySetlist: real-time voting for concert setlists.

Owns:      one node, from the socket to the row
Packages:  cli is the command; node builds one node from the rooms, web is HTTP around them; voting, live, catalog, people
           and the other rooms do not import each other, but all may import moderation; store speaks to PostgreSQL, cache to
           Valkey, embedded runs both for a node without their addresses; protocol has the words on the wire; client is the
           other side of the wire, load tests a server with it, sample fills the database
Imports:   downward only; import-linter checks it (pyproject.toml)
"""

__version__ = "0.1.0"
