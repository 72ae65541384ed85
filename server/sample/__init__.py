"""sample: data for a demo (real artists and venues, made-up shows and fans) and for a large catalogue (all made up).

Files:     seed_demo (demo) and seed_large (large) write; seed_data reads the .toml files; show_plans, demo_shows and tours
           plan shows; votes and fans draw what fans do; inserts turns plans into rows
Threads:   event loop only; planning and drawing are pure functions of seed data, seed and now
Limits:    counts stand at the top of each file; TOURS_AT_ONCE, SHOWS_MAX, VOTES_PER_SHOW_MAX (docs/limits.md)
Never:     changes an existing row; uses randomness other than its seed
"""
