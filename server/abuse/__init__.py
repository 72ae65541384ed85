"""abuse: groups of ballots that look like the work of one hand: found, shown to staff, set aside by staff.

Owns:    vote_groups and vote_group_members, but for the commit that applies a decision (voting/).
Threads: one loop; a pass over the ballots of a show gives way to other work every PASS_SLICE ballots.
Limits:  BALLOTS_MAX, WAITING_CASTS_MAX in watch.py.
Never:   refuses a vote, sets aside without a person unless the show's rule says so, or keeps an address.
"""
