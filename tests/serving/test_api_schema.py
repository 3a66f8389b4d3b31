"""Whatever the schema of the API allows, and much that it does not: every answer is one that the schema names."""

import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    ("GET", "/healthz"),
    ("GET", "/v1/models"),
    ("POST", "/v1/segment"),
    ("POST", "/v1/correct"),
    ("POST", "/v1/clips"),
    ("GET", "/v1/clips/{id}"),
    ("GET", "/v1/clips/{id}/result"),
    ("GET", "/v1/clips/{id}/video"),
    ("DELETE", "/v1/clips/{id}"),
    ("POST", "/v1/picture"),
    ("POST", "/v1/export/{kind}"),
    ("GET", "/v1/corrections"),
    ("POST", "/v1/corrections"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def api(address: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


def test_the_list_is_whole(api: schemathesis.BaseSchema) -> None:
    found = [(one.ok().method.upper(), one.ok().path) for one in api.get_all_operations()]
    assert sorted(found) == sorted(OPERATIONS)


AS_ALLOWED, OTHERWISE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.mark.parametrize(
    ("mode", "method", "path"),
    [
        *((AS_ALLOWED, method, path) for method, path in OPERATIONS),
        *((OTHERWISE, method, path) for method, path in OPERATIONS if method == "POST"),
    ],
    ids=str,
)
def test_every_answer_is_one_that_the_schema_names(
    api: schemathesis.BaseSchema, mode: schemathesis.GenerationMode, method: str, path: str
) -> None:
    @hypothesis.given(case=api[path][method].as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, timeout=60)

    check()
