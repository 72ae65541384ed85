"""catalog: artists, venues, songs, shows and setlists, and the songs that fans suggest.

Owns:      the catalogue's tables, their queries and routes
Threads:   event loop only
Limits:    SEARCH_WORDS_MAX, SIMILAR_WORDS_MAX, RELATED_MAX, SONGS_PER_SET_MAX (docs/limits.md)
Writes:    show_control, setlist_editing, suggestions, show_status; every other file only reads
Never:     counts a vote; talks to Valkey or to a socket
"""
