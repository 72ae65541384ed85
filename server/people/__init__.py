"""people: who is who.

Owns:      users and their tokens
Threads:   event loop only
Limits:    TOKEN_TTL_S (docs/limits.md)
Never:     keeps a password; asks the database who a token belongs to
"""
