"""protocol.http: types of endpoints, parameters, cursors of lists, addresses of clients; no I/O."""
