"""protocol.http: endpoints, their parameters, cursors of lists, addresses of clients; no I/O."""
