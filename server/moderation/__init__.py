"""moderation: texts that wait for a moderator, reports, decisions and the log of them.

Owns:      moderation_queue, reports, moderation_log
Threads:   event loop only
Limits:    NOTE_CHARS_MAX (docs/limits.md)
Never:     deletes a text: it hides or shows it
"""
