"""people: accounts and authentication, profiles, follows, attendances, reviews, tickets, export and erasure.

Owns:      users, user_identities, api_keys, user_profiles, venue_reviews, ticket_codes; reads user_follows_artists and
           user_show_attendance, which the writer of the log (voting) writes
Threads:   event loop only; two loops on a node: AccessMonitor, and OidcVerifier if an identity provider is set
Limits:    TOKEN_TTL_S, LOOKUP_TTL_S, EXPORT_ROWS_MAX, REVIEW_CHARS_MAX (docs/limits.md)
Never:     stores a password, an API key, a ticket code or a code of another device (only hashes of keys and codes); reads the database to check the
           token of a user without a staff role
"""
