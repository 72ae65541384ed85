"""outgoing: requests to addresses that others have given, such as webhooks and the push services of browsers.

Owns:    the check of such an address, and the connections to it
Threads: event loop only
Limits:  docs/limits.md, Webhooks and Push
Never:   connects to a private address that no setting allows, follows a redirect, or gives what an answer contains
"""
