"""sync: the catalogue from elsewhere.

Owns:      sync_jobs, sync_progress, import_log; writes artists, venues, songs, shows and setlists
Threads:   event loop only; one run at a time by whoever started it
Limits:    FILE_BYTES_MAX, RECORDS_PER_BATCH (docs/limits.md)
Never:     removes a song that has votes; changes what a file does not name
"""
