"""Makes the AsyncAPI 3 document of the websocket from the types of its messages."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any, TypedDict

import msgspec

import server
from server.protocol.codes import CLOSE_REASONS
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.messages import INBOUND_BYTES_MAX, SUBPROTOCOL
from server.protocol.replies import CHANNEL_CODES, COMMON_CODES, KINDS, NOTICES, OPERATIONS, ErrorReply, Kind

Json = dict[str, Any]

PATH = "/api/asyncapi.json"

_SCHEMA = "#/components/schemas/{name}"
_ABOUT = """\
Fans vote live on the songs of a concert's setlist, and all watchers see the counts change.

One websocket at `/ws`, subprotocol `mysetlist.v1`, carries everything: text frames, one JSON object each. A request has \
an `op` and an integer `id`; its reply has the same number as `re`, and either `ok` or `error`. `subscribe` answers with \
the state of each channel and its position `at`; each change comes as a push with its channel as `ch`, and `at` only \
grows. Both sides ignore unknown fields. HTTP is described in `/api/openapi.json`, and so are the server-sent \
events that carry the same pushes; errors and close codes are in docs/errors.md."""


class SocketDocument(TypedDict):
    """The AsyncAPI document."""

    asyncapi: str
    info: Json
    defaultContentType: str
    servers: Json
    channels: Json
    operations: Json
    components: Json


def asyncapi_endpoint() -> Endpoint:
    """The endpoint `GET /api/asyncapi.json`; its document is made when it is first asked for."""

    async def get_document(_call: Call) -> Answer:
        return Answer(document=await asyncio.to_thread(_encoded))

    return Endpoint(
        method="GET", path=PATH, handler=get_document, answer=SocketDocument, is_revalidated=True,
        read="free",
        summary="The AsyncAPI document of the websocket.",
    )  # fmt: skip


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(describe())


def describe() -> SocketDocument:
    """Makes the document."""
    types = [ErrorReply, *NOTICES, *(kind.state for kind in KINDS.values())]
    types += [kind for op in OPERATIONS.values() for kind in (op.request, op.ok) if kind is not None]
    ordered = sorted(set(types), key=repr)  # a set has no order, and the document must not change from start to start
    described, schemas = msgspec.json.schema_components(ordered, ref_template=_SCHEMA)
    refs = dict(zip(ordered, described, strict=True))
    messages: Json = {"error": _message("error", "A refusal.", refs[ErrorReply])}
    operations: Json = {}
    for op, operation in OPERATIONS.items():
        ok = _subscribe_result(refs) if operation.ok is None else refs[operation.ok]
        messages[op] = _message(op, _docstring(operation.request), refs[operation.request])
        messages[f"{op}_reply"] = _message(f"{op}_reply", f"The answer to `{op}`.", _reply(ok))
        operations[op] = _receive(op, [*COMMON_CODES, *operation.codes], _docstring(operation.request))
    for notice in NOTICES:
        name = notice.__name__.lower()
        messages[name] = _message(name, _docstring(notice), refs[notice])
        operations[name] = _send("socket", name, _docstring(notice))
    channels: Json = {"socket": _socket(messages)}
    for name, kind in KINDS.items():
        messages[f"{name}_push"] = _message(f"{name}_push", _docstring(kind.state), _push(name, kind, schemas, refs))
        channels[name] = _channel(name, kind)
        operations[f"push_{name}"] = _send(name, f"{name}_push", f"The changes of `{_address(name, kind)}`.")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "MySetlist", "version": server.__version__, "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            "node": {
                "host": "{host}",
                "protocol": "ws",
                "description": "Any node, or the load balancer in front of the nodes; with TLS, use `wss`.",
                "variables": {"host": {"default": "127.0.0.1:8080", "description": "Name and port."}},
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas, "messages": messages},
    }


def _docstring(kind: type[msgspec.Struct]) -> str:
    assert kind.__doc__ is not None
    return " ".join(kind.__doc__.split())


def _message(name: str, summary: str, payload: Json) -> Json:
    return {"name": name, "summary": summary, "payload": payload}


def _reply(ok: Json) -> Json:
    return {
        "type": "object",
        "properties": {"re": {"type": "integer", "minimum": 0}, "ok": ok},
        "required": ["re", "ok"],
    }


def _subscribe_result(refs: dict[Any, Json]) -> Json:
    """The answer to `subscribe`: for each channel its position and state, or its refusal."""
    error: Json = {
        "type": "object",
        "properties": {"error": {"$ref": _SCHEMA.format(name="Error")}},
        "required": ["error"],
        "x-codes": [str(code) for code in CHANNEL_CODES],
    }
    joined: Json = {
        "type": "object",
        "description": "`state` is left out when `since` named this position.",
        "properties": {
            "at": {"type": "integer", "minimum": 0},
            "state": {"anyOf": [refs[kind.state] for kind in KINDS.values()]},
        },
        "required": ["at"],
    }
    return {
        "type": "object",
        "properties": {"channels": {"type": "object", "additionalProperties": {"anyOf": [joined, error]}}},
        "required": ["channels"],
    }


def _push(name: str, kind: Kind, schemas: Json, refs: dict[Any, Json]) -> Json:
    state: Json = schemas[str(refs[kind.state]["$ref"]).rsplit("/", 1)[1]]
    pattern = f"^{name}:[1-9][0-9]*$" if kind.subject else f"^{name}$"
    return {
        "type": "object",
        "properties": {
            "ch": {"type": "string", "pattern": pattern},
            "at": {"type": "integer", "minimum": 0},
            **state["properties"],
        },
        "required": ["ch", "at", *state["required"]],
    }


def _address(name: str, kind: Kind) -> str:
    return f"{name}:{{{kind.subject}}}" if kind.subject else name


def _socket(messages: Json) -> Json:
    return {
        "address": "/ws",
        "description": "Every frame, in both directions.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {"const": SUBPROTOCOL},
                        "Authorization": {"type": "string", "description": "Bearer and a token; a cookie works too."},
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-close-codes": {str(code): reason for code, reason in CLOSE_REASONS.items()},
        "x-inbound-bytes-max": INBOUND_BYTES_MAX,
    }


def _channel(name: str, kind: Kind) -> Json:
    channel: Json = {
        "address": _address(name, kind),
        "description": f"{_docstring(kind.state)} Send `subscribe` over the socket to get it.",
        "messages": {f"{name}_push": {"$ref": f"#/components/messages/{name}_push"}},
    }
    if kind.subject:
        channel["parameters"] = {kind.subject: {"description": f"The id of the {kind.subject}."}}
    return channel


def _receive(op: str, codes: list[Any], summary: str) -> Json:
    return {
        "action": "receive",
        "summary": summary,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{op}"}],
        "reply": {
            "channel": {"$ref": "#/channels/socket"},
            "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in (f"{op}_reply", "error")],
        },
        "x-codes": sorted(str(code) for code in codes),
    }


def _send(channel: str, message: str, summary: str) -> Json:
    return {
        "action": "send",
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }
