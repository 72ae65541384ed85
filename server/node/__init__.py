"""node: builds one node from the rooms, starts and stops it.

Owns:      the order of starting and stopping, the loops, the connections between rooms
Threads:   event loop only; `workers` runs several nodes as processes on one port
Never:     takes a decision that belongs to a room
"""
