"""Makes the OpenAPI 3.1 document of a node from its endpoints and the types of their JSON."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Any, TypedDict

import msgspec

import server
from server.protocol.codes import HTTP_STATUS, Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import REFERENCE_CHARS_MAX
from server.protocol.identity import COOKIE, SECURE_COOKIE
from server.protocol.positions import EXACT_MAX

Json = dict[str, Any]

PATH = "/api/openapi.json"

_REF = "#/components/schemas/{name}"
_ABOUT = """\
Fans vote live on the songs of a concert's setlist.

Ids are integers; artists, venues and shows have a slug too, and a path takes either. Lists give `items` and `next`, which is \
the `cursor` of the following page. Unknown fields and parameters are ignored. Every refusal is a problem (RFC 9457) with a \
`code` for programs. A method that a path does not have is refused with 405, an unknown path with 404.

Live counts come over a websocket at `/ws`, subprotocol `mysetlist.v1`; `/api/asyncapi.json` describes it. Load balancers ask \
`/healthz` and `/readyz`, Prometheus asks `/metrics`."""


class Document(TypedDict):
    """The OpenAPI document."""

    openapi: str
    info: Json
    paths: Json
    components: Json


def document_endpoint(endpoints: Sequence[Endpoint]) -> Endpoint:
    """The endpoint `GET /api/openapi.json`. Its document describes the given endpoints and itself.

    It is made when it is first asked for, in a thread: it takes 0.15 s of CPU, and most nodes are never asked.
    """

    async def get_document(_call: Call) -> Answer:
        return Answer(document=await asyncio.to_thread(_encoded, described))

    endpoint = Endpoint(
        method="GET", path=PATH, handler=get_document, answer=Document, is_revalidated=True, read="free",
        summary="This document.",
    )  # fmt: skip
    # The handlers belong to one node. Nodes of one process have the same document without them.
    described = tuple(replace(each, handler=_no_handler) for each in (*endpoints, endpoint))
    return endpoint


@cache
def _encoded(endpoints: tuple[Endpoint, ...]) -> bytes:
    return msgspec.json.encode(describe(endpoints))


async def _no_handler(_call: Call) -> Answer:
    raise NotImplementedError


def describe(endpoints: Iterable[Endpoint]) -> Document:
    """Makes the document of these endpoints."""
    endpoints = list(endpoints)
    types = {kind for e in endpoints for kind in (e.query, e.body, e.answer, e.other_answer) if kind is not None}
    ordered = sorted(types, key=repr)  # a set has no order, and the document must be the same after each start
    described, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    schemas = dict(zip(ordered, described, strict=True))
    queries = {e.query: components[_name(schemas[e.query])] for e in endpoints if e.query is not None}
    responses: Json = {}
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas, queries, responses)
    for query in queries:  # its fields are described as parameters
        del components[_name(schemas[query])]
    return {
        "openapi": "3.1.0",
        "info": {"title": "MySetlist", "version": server.__version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": _problem_schema()},
            "responses": responses,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `POST /api/session` or of `mysetlist token`.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"The same token, kept by a browser; over TLS the name is `{SECURE_COOKIE}`. "
                    "A token that is not valid any more is ignored.",
                },
            },
        },
    }


def codes_of(endpoint: Endpoint) -> frozenset[Code]:
    """Every code that an endpoint may refuse with: its own codes, and those that follow from its declaration."""
    # Any endpoint: malformed HTTP, a bad token in the header, too many requests of a user, no PostgreSQL or Valkey, a bug.
    codes = {
        Code.BAD_REQUEST, Code.UNAUTHENTICATED, Code.RATE_LIMITED, Code.UNAVAILABLE, Code.INTERNAL, *endpoint.codes,
    }  # fmt: skip
    if endpoint.body is not None:
        codes.add(Code.TOO_LARGE)
    if endpoint.read_kind is not None:
        codes.add(Code.OVERLOADED)  # too many reads of its kind
    if "{" in endpoint.path:
        codes.add(Code.NOT_FOUND)
    if endpoint.method != "GET" or endpoint.access not in ("anyone", "user"):
        codes.add(Code.FORBIDDEN)  # a page of another site, or too low a role
    return frozenset(codes)


def _operation(endpoint: Endpoint, schemas: dict[Any, Json], queries: dict[Any, Json], responses: Json) -> Json:
    operation: Json = {
        "tags": [_tag(endpoint.path)],
        "operationId": "_".join([endpoint.method.lower(), *re.findall(r"\w+", endpoint.path.removeprefix("/api"))]),
        "summary": endpoint.summary,
        "x-access": endpoint.access,
        "security": _security(endpoint.access),
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    parameters = [_path_parameter(name, endpoint) for name in re.findall(r"\{(\w+)[^}]*\}", endpoint.path)]
    if endpoint.query is not None:
        parameters += _query_parameters(queries[endpoint.query])
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_is_optional,
            "description": f"At most {endpoint.body_bytes_max} bytes.",
            "content": {"application/json": {"schema": schemas[endpoint.body]}},
        }
    success: Json = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.answer is not None:
        success["content"] = {endpoint.media_type: {"schema": schemas[endpoint.answer]}}
        if endpoint.other_media_type is not None:
            success["content"][endpoint.other_media_type] = {"schema": {"type": "string"}}
    operation["responses"] = {str(endpoint.status): success}
    if endpoint.other_status is not None:
        other = HTTPStatus(endpoint.other_status)
        alternative = success | {"description": other.phrase}
        if endpoint.other_answer is not None:
            alternative["content"] = {endpoint.media_type: {"schema": schemas[endpoint.other_answer]}}
        operation["responses"][str(other.value)] = alternative
    if endpoint.is_revalidated:
        success["headers"] = {"ETag": {"description": "The value for `If-None-Match`.", "schema": {"type": "string"}}}
        operation["responses"]["304"] = {"description": "Not changed since the `ETag` in `If-None-Match`."}
    operation["responses"] |= _refusals(codes_of(endpoint), responses)
    return operation


def _tag(path: str) -> str:
    """The first word of a path under /api. The other paths are links in emails and in the terminal."""
    return re.split(r"[/.]", path)[2] if path.startswith("/api/") else "links"


def _security(access: str) -> list[Json]:
    signed_in: list[Json] = [{"bearer": []}, {"cookie": []}]
    if access == "anyone":
        return [{}, *signed_in]
    return signed_in if access == "user" else [{"bearer": [access]}, {"cookie": [access]}]


def _path_parameter(name: str, endpoint: Endpoint) -> Json:
    number: Json = {"type": "integer", "minimum": 1, "maximum": EXACT_MAX}
    schema: Json = number
    description = "An id."
    if name in endpoint.slugs:
        schema = {"anyOf": [number, {"type": "string", "minLength": 1, "maxLength": REFERENCE_CHARS_MAX}]}
        description = "An id or a slug."
    if name in endpoint.rests:
        schema, description = {"type": "string", "minLength": 1}, "The rest of the path."
    if name in endpoint.secrets:
        schema, description = {"type": "string", "minLength": 1, "maxLength": REFERENCE_CHARS_MAX}, "A secret code."
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query_parameters(struct: Json) -> list[Json]:
    parameters = []
    for name, field in struct["properties"].items():
        schema = _without_null(field)
        parameter = {"name": name, "in": "query", "required": name in struct["required"], "schema": schema}
        if not parameter["required"]:
            parameter["allowEmptyValue"] = True  # the same as left out
        if "description" in schema:
            parameter["description"] = schema.pop("description")
        parameters.append(parameter)
    return parameters


def _without_null(schema: Json) -> Json:
    """The schema of an optional parameter without null: a query string has no null."""
    schema = {name: value for name, value in schema.items() if name != "default" or value is not None}
    choices: list[Json] = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    if len(choices) == 1:
        return schema | choices[0]
    return schema | {"anyOf": choices} if choices else schema


def _refusals(codes: Iterable[Code], responses: Json) -> Json:
    by_status: dict[int, list[Code]] = {}
    for code in sorted(codes):
        by_status.setdefault(HTTP_STATUS[code], []).append(code)
    refusals = {}
    for status, listed in sorted(by_status.items()):
        name = "_or_".join(listed)
        responses[name] = _problem_response(status, listed)
        refusals[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return refusals


def _problem_response(status: int, codes: list[Code]) -> Json:
    response: Json = {
        "description": " or ".join(f"`{code}`" for code in codes),
        "content": {
            "application/problem+json": {
                "schema": {
                    "allOf": [{"$ref": _REF.format(name="Problem")}],
                    "properties": {"status": {"const": status}, "code": {"enum": [str(code) for code in codes]}},
                }
            }
        },
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
        }
    return response


def _problem_schema() -> Json:
    return {
        "title": "Problem",
        "description": "The refusal of a request (RFC 9457); docs/errors.md says what to do about each code.",
        "type": "object",
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "For people."},
            "code": {"enum": [str(code) for code in Code], "description": "For programs."},
            "retry_after_ms": {"type": "integer", "minimum": 0},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }


def _name(schema: Json) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[1]
