"""Every operation of the document, with valid and with invalid requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.protocol.http.endpoints import Endpoint
from tests.support.contract import DOCUMENT, ENDPOINTS, Api, path_values, query_values, title
from tests.support.examples import scaled

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# A request that is too large is refused as an invalid one is.
SCHEMA.config.checks.negative_data_rejection.expected_statuses.append("413")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# As common clients of HTTP: every answer comes within it, a probe of a provider with an open circuit too.
PATIENCE_S = 10.0
# test_bad_input sends every place of a request its bad values, so few invalid requests are enough here.
EXAMPLES = {GenerationMode.POSITIVE: scaled(4), GenerationMode.NEGATIVE: scaled(2)}


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all requests."""
    with requests.Session() as opened:
        yield opened


def _modes(endpoint: Endpoint) -> list[GenerationMode]:
    takes_something = endpoint.query is not None or endpoint.body is not None or "{" in endpoint.path
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if takes_something else [])]


@pytest.mark.parametrize(
    ("endpoint", "mode"),
    [
        pytest.param(endpoint, mode, id=f"{title(endpoint)} {mode.value}")
        for endpoint in ENDPOINTS
        for mode in _modes(endpoint)
    ],
)
def test_operation(api: Api, session: requests.Session, endpoint: Endpoint, mode: GenerationMode) -> None:
    """No request makes the server fail, and every answer is in the document."""
    operation = SCHEMA[endpoint.path][endpoint.method]
    headers = api.headers(endpoint)
    cases = operation.as_strategy(generation_mode=mode)
    path, query = path_values(endpoint), query_values(endpoint)
    if path or query:
        cases |= operation.as_strategy(generation_mode=mode, path_parameters=path or None, query=query or None)

    @settings(max_examples=EXAMPLES[mode], suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        session.cookies.clear()
        case.call_and_validate(
            base_url=api.url, session=session, headers=headers, checks=CHECKS, allow_redirects=False, timeout=PATIENCE_S
        )

    ask()
