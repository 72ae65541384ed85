"""webhooks: tells other programs what happens, as Standard Webhooks say (docs/webhooks.md).

Owns:    webhooks, webhook_events, webhook_deliveries, open_shows; triggers write the events in the transaction of the fact.
Threads: one loop on every node, with the database of the owner; up to AT_ONCE_MAX deliveries at the same time.
Limits:  docs/limits.md, Webhooks.
Never:   connects to a private address that no setting allows, follows a redirect, reads an answer, or logs a secret or an
         address, which may hold one.
"""
