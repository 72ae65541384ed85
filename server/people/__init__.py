"""people: who is who, what they want and say, and who keeps order among them.

Owns:      users, their tokens and API keys; profiles, follows, attendance, reviews; reports, moderation, bans
Threads:   event loop only
Limits:    TOKEN_TTL_S, BELIEVED_S, EXPORT_ROWS_MAX, REVIEW_CHARS_MAX (docs/limits.md)
Never:     keeps a password or a key; asks the database who a user's token belongs to (keys and staff: keys.py)
"""
