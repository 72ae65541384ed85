# "make queries" writes this file from the .sql files of this room.

from server.store.database import Connection

# live/subscriptions.sql
class _Subscriptions:
    async def ask_nodes(self, connection: Connection, *, question: str | None) -> str: ...
    async def log_closing(
        self, connection: Connection, *, actor_id: int | None, action: str | None, subject: str | None
    ) -> str: ...

subscriptions: _Subscriptions
