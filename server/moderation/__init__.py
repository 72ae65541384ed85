"""moderation: bans, the review of texts, reports, decisions of moderators, and the logs of what staff did.

Owns:      user_bans, content_moderation, reports, moderation_log, audit_log; the list of blocked words
Threads:   event loop only; no state in memory
Limits:    REASON_CHARS_MAX, NOTE_CHARS_MAX, the rules of screening.py (docs/limits.md)
Never:     deletes or edits a text (it shows or hides it); imports another room, because the other rooms import this one
"""
