"""webpush: what a fan's devices are told, also while no page is open (docs/webpush.md).

Owns:    webpush_key, webpush_devices, webpush_notices, webpush_deliveries
Threads: one loop on every node, with the database of the owner; messages are encrypted in a thread; up to AT_ONCE_MAX are on their way
Limits:  docs/limits.md, Web push
Never:   tells a fan the same of a show twice, connects to a private address, or logs a key or an address of a device
"""
