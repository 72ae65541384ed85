"""sync: fills the catalogue from files and from providers (services that data comes from).

Owns:      sync_jobs, sync_progress, import_log, external_cache and the identities; writes artists, venues, songs, shows
           and setlists
Threads:   event loop only; SyncScheduler runs jobs in tasks of its own, a command runs them one after the other
Limits:    FILE_BYTES_MAX, RECORDS_PER_BATCH, JOBS_PER_SERVICE (docs/limits.md)
Never:     deletes a song with votes; changes data that a file or a provider does not mention
"""
