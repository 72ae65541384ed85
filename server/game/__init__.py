"""game: picks of fans, what they score, leaderboards and crews (docs/game.md).

Owns:      standings, boards_to_count, crews, crew_members and tours; reads picks and picked_shows, which the writer of the log
           (voting) writes
Threads:   event loop only
Limits:    PICKED_SONGS_MAX, PICKS_KEPT_MAX, CREW_MEMBERS_MAX, CREWS_OF_FAN_MAX (docs/limits.md)
Never:     writes a pick itself: a pick goes through the log of votes (docs/adr/0044)
"""
