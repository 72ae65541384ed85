"""sample: real artists, songs and venues with made-up shows and fans for a demo; a made-up world for a large catalogue.

Owns:      the .toml files beside it; what nights, calendars, tours and crowds look like
Threads:   pure functions of facts, seed and now; no I/O but reading those files
Limits:    none held: the counts stand at the top of each file
Never:     touches the database (seeding and large do); draws from any chance but its seed
"""
