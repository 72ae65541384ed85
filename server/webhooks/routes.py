"""Administrators make, change, test and delete webhooks, and send dead letters again."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from server.clock import Clock, utc_now
from server.errors import Refused
from server.moderation.logs import refuse_stale, write_audit_log
from server.outgoing.addresses import parse_url
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery
from server.protocol.http.signatures import key_text
from server.protocol.instants import iso
from server.store.database import Database
from server.webhooks.documents import (
    AgainBody,
    ChangedWebhook,
    DeletedWebhook,
    Delivery,
    DeliveryPage,
    DeliveryQuery,
    LastAttempt,
    NewWebhook,
    SecretWebhook,
    SentAgain,
    TestResult,
    WebhookChange,
    WebhookItem,
    WebhookPage,
)
from server.webhooks.posting import Message, Poster, message_id_of
from server.webhooks.queries import routes as queries
from server.webhooks.queries import sender as sender_queries

if TYPE_CHECKING:
    from server.store.database import Connection

WEBHOOKS_MAX = 50
SECRET_BYTES = 32
# A receiver has so long to learn the new secret.
PREVIOUS_SECRET_TTL = dt.timedelta(days=1)
SENT_AGAIN_MAX = 1_000


class WebhookRoutes:
    """The endpoints of webhooks. Takes: db, with its owner's rights: no other role may read secrets; poster, for tests."""

    def __init__(self, db: Database, clock: Clock, poster: Poster) -> None:
        self._db = db
        self._clock = clock
        self._poster = poster

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path = "/api/admin/webhooks"
        one = f"{path}/{{webhook}}"
        missing = (Code.NOT_FOUND,)
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_webhooks, access="admin", query=PageQuery, answer=WebhookPage,
                summary="List the webhooks with their last attempt, newest first.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_webhook, access="admin", query=PreviewQuery, body=NewWebhook,
                status=201, answer=SecretWebhook, codes=(Code.CONFLICT,),
                summary="Make a webhook. Its secret is shown only this once.",
            ),
            Endpoint(
                method="GET", path=one, handler=self.get_webhook, access="admin", answer=WebhookItem, codes=missing,
                summary="A webhook with its last attempt.",
            ),
            Endpoint(
                method="PATCH", path=one, handler=self.patch_webhook, access="admin", query=PreviewQuery, body=WebhookChange,
                answer=ChangedWebhook, codes=(Code.NOT_FOUND, Code.CONFLICT), summary="Change, enable or disable a webhook.",
            ),
            Endpoint(
                method="DELETE", path=one, handler=self.delete_webhook, access="admin", query=PreviewQuery, answer=DeletedWebhook,
                codes=missing, summary="Delete a webhook with its deliveries.",
            ),
            Endpoint(
                method="POST", path=f"{one}/secret", handler=self.post_secret, access="admin", query=PreviewQuery,
                answer=SecretWebhook, codes=missing,
                summary="Give a webhook a new secret. The one before signs too for a day.",
            ),
            Endpoint(
                method="POST", path=f"{one}/test", handler=self.post_test, access="admin", answer=TestResult, codes=missing,
                summary="Post an event of the type webhook.test now, and give the answer; also to a disabled webhook.",
            ),
            Endpoint(
                method="GET", path=f"{one}/deliveries", handler=self.get_deliveries, access="admin", query=DeliveryQuery,
                answer=DeliveryPage, codes=missing, summary="List the deliveries of a webhook, newest first.",
            ),
            Endpoint(
                method="POST", path=f"{one}/again", handler=self.post_again, access="admin", query=PreviewQuery, body=AgainBody,
                body_is_optional=True, answer=SentAgain, codes=(Code.NOT_FOUND, Code.CONFLICT),
                summary="Send a dead letter again, or all of a webhook.",
            ),
        ]  # fmt: skip

    async def get_webhooks(self, call: Call) -> Answer:
        """`GET /api/admin/webhooks`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._db.connection() as connection:
            rows = await self._list(connection, after_id=after.id if after else None, count=query.limit + 1)
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=WebhookPage([WebhookItem(**_fields(row)) for row in page], following))

    async def post_webhook(self, call: Call) -> Answer:
        """`POST /api/admin/webhooks`."""
        body, is_preview, secret = call.body, call.query.preview, secrets.token_bytes(SECRET_BYTES)
        await self._check(body.url)
        fields = msgspec.structs.asdict(body) | {"events": _once(body.events)}
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            if not await queries.is_room(connection, count_max=WEBHOOKS_MAX):
                raise Refused(Code.CONFLICT, f"There are {WEBHOOKS_MAX} webhooks already. Delete one first.")
            webhook_id = await queries.insert_webhook(connection, **fields, secret=secret)
            row = await self._find(connection, webhook_id)
            detail = {name: [None, value] for name, value in _told(fields).items()}
            await _log(connection, call, "webhook.make", row, detail)
        return Answer(document=_with_secret(row, secret, is_preview=is_preview))

    async def get_webhook(self, call: Call) -> Answer:
        """`GET /api/admin/webhooks/{webhook}`."""
        async with self._db.connection() as connection:
            row = await self._find(connection, call.id("webhook"))
        return Answer(document=WebhookItem(**_fields(row)))

    async def patch_webhook(self, call: Call) -> Answer:
        """`PATCH /api/admin/webhooks/{webhook}`."""
        webhook_id, is_preview, given = call.id("webhook"), call.query.preview, msgspec.structs.asdict(call.body)
        if call.body.url is not msgspec.UNSET:
            await self._check(call.body.url)
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await self._lock(connection, webhook_id)
            await refuse_stale(connection, f"webhook:{webhook_id}", before["revision"], call.body.revision)
            row = await self._find(connection, webhook_id)
            fields = {
                name: before[name] if given[name] is msgspec.UNSET else given[name]
                for name in ("url", "description", "events", "is_enabled")
            }
            fields["events"] = _once(fields["events"])
            ended = row["waiting"] if before["is_enabled"] and not fields["is_enabled"] else 0
            if ended:
                await sender_queries.disable(connection, webhook_id=before["id"], why="")
            await queries.update_webhook(connection, id=before["id"], **fields)
            was, is_now = _told(before), _told(fields)
            detail = {name: [was[name], is_now[name]] for name in is_now if was[name] != is_now[name]}
            if before["url"] != fields["url"]:
                detail.setdefault("path", ["…", "another"])
            row = await self._find(connection, before["id"])
            if detail:
                await _log(connection, call, "webhook.change", row, detail)
        return Answer(document=ChangedWebhook(**_fields(row), is_preview=is_preview, ended=ended))

    async def delete_webhook(self, call: Call) -> Answer:
        """`DELETE /api/admin/webhooks/{webhook}`."""
        is_preview = call.query.preview
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await self._lock(connection, call.id("webhook"))
            row = await self._find(connection, before["id"])
            await queries.delete_webhook(connection, id=before["id"])
            detail = {name: [value, None] for name, value in _told(before).items()}
            await write_audit_log(connection, call.user, "webhook.delete", f"webhook:{before['id']}", detail)
        deleted = DeletedWebhook(id=before["id"], is_preview=is_preview, waiting=row["waiting"], dead=row["dead"])
        return Answer(document=deleted)

    async def post_secret(self, call: Call) -> Answer:
        """`POST /api/admin/webhooks/{webhook}/secret`."""
        is_preview, secret = call.query.preview, secrets.token_bytes(SECRET_BYTES)
        until = utc_now(self._clock) + PREVIOUS_SECRET_TTL
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await self._lock(connection, call.id("webhook"))
            await queries.rotate_secret(connection, id=before["id"], secret=secret, previous_until=until)
            row = await self._find(connection, before["id"])
            await _log(connection, call, "webhook.secret", row, {"previous_until": iso(until)})
        return Answer(document=_with_secret(row, secret, is_preview=is_preview))

    async def post_test(self, call: Call) -> Answer:
        """`POST /api/admin/webhooks/{webhook}/test`."""
        webhook_id, now = call.id("webhook"), utc_now(self._clock)
        async with self._db.transaction() as connection:
            target = await queries.fetch_target(connection, id=webhook_id, instant=now)
            if target is None:
                raise _no_webhook()
            await write_audit_log(connection, call.user, "webhook.test", f"webhook:{webhook_id}", {})
        body = {"type": "webhook.test", "timestamp": iso(now), "data": {"webhook": webhook_id}}
        message = Message(f"msg_{secrets.token_hex(16)}", msgspec.json.encode(body))
        keys = [key for key in (target["secret"], target["previous_secret"]) if key is not None]
        posted = await self._poster.post(target["url"], message, keys)
        result = TestResult(
            is_delivered=not posted.error, status=posted.status, took_ms=posted.took_ms, error=posted.error
        )
        return Answer(document=result)

    async def get_deliveries(self, call: Call) -> Answer:
        """`GET /api/admin/webhooks/{webhook}/deliveries`."""
        query, webhook_id = call.query, call.id("webhook")
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._db.connection() as connection:
            await self._find(connection, webhook_id)
            listed = queries.list_deliveries(
                connection,
                webhook_id=webhook_id,
                in_state=query.state,
                after_id=after.id if after else None,
                count=query.limit + 1,
            )
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        return Answer(document=DeliveryPage([_delivery(row) for row in page], following))

    async def post_again(self, call: Call) -> Answer:
        """`POST /api/admin/webhooks/{webhook}/again`."""
        is_preview, delivery = call.query.preview, call.body.delivery if call.body else None
        async with self._db.rehearsal() if is_preview else self._db.transaction() as connection:
            before = await self._lock(connection, call.id("webhook"))
            if not before["is_enabled"]:
                raise Refused(Code.CONFLICT, "The webhook is disabled. Enable it first.")
            count = await queries.send_again(
                connection, webhook_id=before["id"], id=delivery, instant=utc_now(self._clock), count=SENT_AGAIN_MAX
            )
            if not count:
                what = "This delivery is" if delivery else "There is"
                raise Refused(Code.CONFLICT, f"{what} no dead letter of this webhook. Load the list again.")
            detail = {"count": count} if delivery is None else {"delivery": delivery}
            await write_audit_log(connection, call.user, "webhook.again", f"webhook:{before['id']}", detail)
        return Answer(document=SentAgain(is_preview=is_preview, count=count))

    async def _check(self, url: str) -> None:
        try:
            await self._poster.check(url)
        except ValueError as error:
            raise Refused(Code.BAD_REQUEST, str(error)) from None

    async def _list(self, connection: Connection, **filters: Any) -> list[Any]:
        found = {"id": None, "after_id": None, "count": 1} | filters
        return [row async for row in queries.list_webhooks(connection, instant=utc_now(self._clock), **found)]

    async def _find(self, connection: Connection, webhook_id: int) -> Any:
        rows = await self._list(connection, id=webhook_id)
        if not rows:
            raise _no_webhook()
        return rows[0]

    async def _lock(self, connection: Connection, webhook_id: int) -> dict[str, Any]:
        row = await queries.lock_webhook(connection, id=webhook_id)
        if row is None:
            raise _no_webhook()
        return dict(row)


async def _log(connection: Connection, call: Call, action: str, row: Any, detail: dict[str, Any]) -> None:
    told = {**detail, "revision": row["revision"]}
    await write_audit_log(connection, call.user, action, f"webhook:{row['id']}", told)


def _no_webhook() -> Refused:
    return Refused(Code.NOT_FOUND, "No such webhook. Load the list of webhooks again.")


def _once(events: list[str]) -> list[str]:
    return list(dict.fromkeys(events))


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    """What the audit log keeps of a webhook: of its address only the host, because the rest may hold a token."""
    return {
        "host": parse_url(fields["url"]).host,
        "description": fields["description"],
        # A list of two would read as before and after.
        "events": ", ".join(fields["events"]),
        "is_enabled": fields["is_enabled"],
    }


def _fields(row: Any) -> dict[str, Any]:
    fields = dict(row)
    until, tried_at = fields.pop("previous_until"), fields.pop("tried_at")
    last = {name: fields.pop(name) for name in ("status", "took_ms", "error")}
    attempt = None if tried_at is None else LastAttempt(at=tried_at, **last)
    return fields | {"previous_secret_until": until, "last_attempt": attempt}


def _with_secret(row: Any, secret: bytes, *, is_preview: bool) -> SecretWebhook:
    return SecretWebhook(**_fields(row), is_preview=is_preview, secret=None if is_preview else key_text(secret))


def _delivery(row: Any) -> Delivery:
    fields = dict(row)
    told = {"show": fields.pop("show_id"), "message_id": message_id_of(fields["message_id"])}
    return Delivery(**fields | told)
