"""Whatever the schema of the backend for Label Studio allows, and much that it does not: each answer is one of its."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from served import served
from test_api_schema import AS_ALLOWED, CHECKS, OTHERWISE

from gdinousam import Segmenter
from gdinousam.labelling.label_studio.settings import LabelStudioSettings
from gdinousam.serving.app import create_app
from gdinousam.serving.label_studio import label_studio_router

ASKED = ("/health", "/versions", "/training")
SENT = ("/setup", "/predict", "/webhook", "/train", "/job_status")
OPERATIONS = [*(("GET", path) for path in ASKED), *(("POST", path) for path in SENT)]


@pytest.fixture(scope="module")
def api(segmenter: Segmenter) -> Iterator[schemathesis.BaseSchema]:
    app = create_app({"small": segmenter}, None, [label_studio_router(LabelStudioSettings(), 10**6)])
    with served(app) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


def test_the_list_is_whole(api: schemathesis.BaseSchema) -> None:
    found = [(one.ok().method.upper(), one.ok().path) for one in api.get_all_operations()]
    ours = [(method, path) for method, path in found if path.startswith("/label-studio")]
    assert sorted(ours) == sorted((method, f"/label-studio{path}") for method, path in OPERATIONS)


@pytest.mark.parametrize(
    ("mode", "method", "path"),
    [*((AS_ALLOWED, *one) for one in OPERATIONS), *((OTHERWISE, "POST", path) for path in SENT)],
    ids=str,
)
def test_every_answer_is_one_that_the_schema_names(
    api: schemathesis.BaseSchema, mode: schemathesis.GenerationMode, method: str, path: str
) -> None:
    @hypothesis.given(case=api[f"/label-studio{path}"][method].as_strategy(generation_mode=mode))
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
