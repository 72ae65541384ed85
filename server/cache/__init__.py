"""cache: Valkey (or Redis), the hot copy and the write-ahead log of votes.

Owns:      connections, key names, rate limits and provider gates; the only room that uses the Valkey client
Threads:   event loop only
Limits:    REPLY_TIMEOUT_S for an answer (docs/limits.md)
Never:     decides a rule of voting; raises the client's exceptions
"""
