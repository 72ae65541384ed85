"""Every operation of the document, with valid and with invalid requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from server.protocol.http.endpoints import Endpoint
from tests.support.contract import DOCUMENT, ENDPOINTS, Api, path_values, query_values, title
from tests.support.examples import scaled

if TYPE_CHECKING:
    from schemathesis import Case

# As common clients of HTTP: every answer comes within it, a probe of a provider with an open circuit too.
PATIENCE_S = 10.0
# test_bad_input sends every place of a request its bad values, so few invalid requests are enough here.
EXAMPLES = {"positive": 4, "negative": 2}
# One reader decodes the requests of all endpoints, by the types of which the document is made.
FEWER = pytest.mark.nightly(
    "every fourth endpoint gets an invalid request; test_bad_input sends bad values to every place of each one"
)


@pytest.fixture(scope="module")
def ask(api: Api) -> Iterator[Callable[[Endpoint, str], None]]:
    """Sends an endpoint requests. What that needs is imported here: each test process collects this file, and one runs it."""
    import requests
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    schema = schemathesis.openapi.from_dict(DOCUMENT)
    # A request that is too large is refused as an invalid one is.
    schema.config.checks.negative_data_rejection.expected_statuses.append("413")
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        negative_data_rejection,
    ]

    def ask(endpoint: Endpoint, mode: str) -> None:
        operation = schema[endpoint.path][endpoint.method]
        headers = api.headers(endpoint)
        generation = GenerationMode(mode)
        cases = operation.as_strategy(generation_mode=generation)
        path, query = path_values(endpoint), query_values(endpoint)
        if path or query:
            cases |= operation.as_strategy(
                generation_mode=generation, path_parameters=path or None, query=query or None
            )

        @settings(max_examples=scaled(EXAMPLES[mode]), suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def send(case: Case[Any]) -> None:
            session.cookies.clear()
            case.call_and_validate(
                base_url=api.url,
                session=session,
                headers=headers,
                checks=checks,
                allow_redirects=False,
                timeout=PATIENCE_S,
            )

        send()

    # One connection for all requests.
    with requests.Session() as session:
        yield ask


def _takes_something(endpoint: Endpoint) -> bool:
    return endpoint.query is not None or endpoint.body is not None or "{" in endpoint.path


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=title)
def test_a_valid_request(ask: Callable[[Endpoint, str], None], endpoint: Endpoint) -> None:
    """No valid request makes the server fail, and every answer is in the document."""
    ask(endpoint, "positive")


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(endpoint, marks=() if number % 4 == 0 else FEWER, id=title(endpoint))
        for number, endpoint in enumerate(filter(_takes_something, ENDPOINTS))
    ],
)
def test_an_invalid_request(ask: Callable[[Endpoint, str], None], endpoint: Endpoint) -> None:
    """No invalid request makes the server fail or is taken."""
    ask(endpoint, "negative")
