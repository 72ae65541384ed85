"""mail: letters to fans who gave an address and confirmed it.

Owns:      email_preferences, email_queue, email_log, email_unsubscribes; the only one that speaks SMTP
Threads:   event loop only; two loops on every node that has SMTP_URL (queueing.py, sender.py), on the owner's database
Limits:    docs/limits.md, Mail
Never:     sends anything but a confirmation to an address nobody has confirmed; logs an address or a password
"""
