"""The AsyncAPI document: valid, complete, and equal to the messages of the websocket."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from server.protocol import replies
from server.protocol.channels import SUBJECTS
from server.protocol.codes import CLOSE_REASONS, Code
from server.protocol.messages import OPS, Request
from server.protocol.replies import KINDS, OPERATIONS
from server.web.asyncapi import PATH, describe
from tests.support.contract import DOCUMENT as OPENAPI
from tests.support.contract import ENDPOINTS

DOCUMENT: dict[str, Any] = {**describe()}


def test_the_document_is_asyncapi() -> None:
    """The document is valid by the specification; documents with a mistake are not."""
    # Imported here: each test process collects this file, and one runs it.
    from pydantic import ValidationError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fields of its own classes that are called `schema`
        from asyncapi3.models.asyncapi import AsyncAPI3  # type: ignore[import-untyped]  # it has no types

    AsyncAPI3.model_validate(DOCUMENT)
    broken_documents = [copy.deepcopy(DOCUMENT) for _ in range(3)]
    broken_documents[0]["channels"]["socket"]["adress"] = "/ws"
    broken_documents[1]["operations"]["cast"]["action"] = "get"
    del broken_documents[2]["info"]["version"]
    for broken in broken_documents:
        with pytest.raises(ValidationError):
            AsyncAPI3.model_validate(broken)


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    """Every reference is to a part of the document, every component is used, and an operation has messages of its channel."""
    used = set(_references(DOCUMENT))
    for reference in used:
        found: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
    components = {
        f"#/components/{kind}/{name}" for kind in DOCUMENT["components"] for name in DOCUMENT["components"][kind]
    }
    assert components - used == {f"#/components/schemas/{op.request.__name__}" for op in OPERATIONS.values()} - used
    for operation in DOCUMENT["operations"].values():
        assert all(m["$ref"].startswith(operation["channel"]["$ref"] + "/messages/") for m in operation["messages"])


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_op_and_every_kind_of_channel_is_described() -> None:
    """The document describes exactly the ops and the kinds of channels that the code has."""
    assert {op.request for op in OPERATIONS.values()} == set(get_args(Request))
    assert set(OPERATIONS) == {op.request.__struct_config__.tag for op in OPERATIONS.values()} == set(OPS)
    described = {name: kind.subject for name, kind in KINDS.items()}
    assert described == SUBJECTS, (
        "KINDS in protocol/replies.py and SUBJECTS in protocol/channels.py must name the same kinds"
    )
    operations = DOCUMENT["operations"]
    assert {name for name, operation in operations.items() if operation["action"] == "receive"} == set(OPS)
    assert set(DOCUMENT["channels"]) == {"socket", *KINDS}
    sent = {name for name, operation in operations.items() if operation["action"] == "send"}
    assert sent == {f"push_{kind}" for kind in KINDS} | {"committed", "drain", "expiring", "unsubscribed"}


def test_every_type_is_in_use() -> None:
    """Each type of protocol/replies.py is in the document."""
    typed = {
        name
        for name, kind in inspect.getmembers(replies, inspect.isclass)
        if issubclass(kind, msgspec.Struct) and kind.__module__ == replies.__name__
    }
    assert typed <= set(DOCUMENT["components"]["schemas"])


def test_codes_are_named() -> None:
    """Each op lists its error codes, the socket its close codes."""
    for op in OPS:
        assert set(DOCUMENT["operations"][op]["x-codes"]) <= set(Code)
    assert DOCUMENT["channels"]["socket"]["x-close-codes"] == {str(c): reason for c, reason in CLOSE_REASONS.items()}


def test_it_is_served_and_linked() -> None:
    """The document has an endpoint, and the OpenAPI document names its address."""
    assert PATH in [endpoint.path for endpoint in ENDPOINTS]
    assert PATH in OPENAPI["info"]["description"]
