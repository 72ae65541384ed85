"""clients: asking other services, politely.

Owns:      external_cache; one client a service, all on the same way of asking (provider.py)
Threads:   event loop only; requests of one client go one after the other, at its pace
Limits:    a deadline, a number of attempts, a pace and a largest answer each (docs/limits.md)
Never:     logs an address or a header, which may hold a key; writes to the catalogue
"""
