"""cache: Valkey (or Redis), the hot copy and the write-ahead log of votes.

Owns:      connections and key names; the only room that knows the Valkey client
Threads:   event loop only
Limits:    REPLY_TIMEOUT_S an answer (docs/limits.md)
Never:     decides a rule of voting; lets the client's exceptions out
"""
