"""web: HTTP around the rooms.

Owns:      nothing that outlives a request
Threads:   event loop only
Never:     imports a room; node hands it endpoints
"""
