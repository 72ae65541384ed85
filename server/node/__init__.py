"""node: one node, built from the rooms, started and stopped.

Owns:      the order of starting and stopping, the loops, what one room hands to another
Threads:   event loop only; `workers` runs several nodes as processes on one port
Never:     decides what a room decides
"""
