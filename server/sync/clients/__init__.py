"""clients: HTTP clients of the providers, within their rules.

Owns:      external_cache; one client for each service, all on top of provider.py
Threads:   event loop only; the gate of a service spaces the requests of all nodes
Limits:    deadline, attempts, rate and response size (docs/limits.md)
Never:     logs an address or a header, which may hold a key; writes to the catalogue
"""
