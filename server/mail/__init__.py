"""mail: emails to users who gave an address and confirmed it.

Owns:      email_preferences, email_queue, email_log, email_unsubscribes; the only room that speaks SMTP
Threads:   event loop only; two loops on every node that has SMTP_URL (enqueuer.py, sender.py), with the database of the
           owner
Limits:    docs/limits.md, Mail
Never:     sends an email other than a confirmation to an unconfirmed address; logs an address or a password
"""
