"""catalog: artists, venues, songs, shows and setlists; what there is to vote on.

Owns:      the catalogue's tables, their queries, routes and sample data
Threads:   event loop only
Limits:    PAGE_MAX items a page, SEARCH_CHARS_MAX, SEARCH_WORDS_MAX, SIMILAR_WORDS_MAX, TOURS_AT_ONCE (docs/limits.md)
Never:     counts a vote; talks to Valkey or to a socket
"""
