"""sample: real artists, songs and venues, and made-up shows and votes of theirs.

Owns:      artists.toml and venues.toml; what a demo's calendar and crowd look like
Threads:   pure functions of facts, seed and now; no I/O but reading the two files
Limits:    none held: the counts stand in programme.py and crowd.py
Never:     touches the database (seeding does); draws from any chance but its seed
"""
