"""Requests that nobody thought of, made from the OpenAPI schema: what fits it and what just does not. Whatever is sent,
the answer is what the schema promises, a mistake of the caller's has the common shape, and none is the server's.

The same requests every time; others with SYNCF_TEST_SEED=7 and more with SYNCF_TEST_EXAMPLES=1000 (per operation)."""

import os

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

SEED = int(os.environ.get("SYNCF_TEST_SEED") or 20261129)
EXAMPLES = int(os.environ.get("SYNCF_TEST_EXAMPLES") or 20)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def schema():
    found = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    found.app = get_wsgi_application()
    return found


@pytest.fixture(autouse=True)
def one_connection():
    """The requests are part of the test's transaction, as those of Django's own client are."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def operations():
    """(method, path) of all, for one test each."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.fixture
def real_ids(job, storage, settings):
    """Path parameters with which something is there."""
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    task = job.tasks.create(
        kind="file", path=b"x", path_sha256=b"x", path_display="x", status="failed", reason_code="SINK_FULL"
    )
    scan = job.scans.create()
    ids = {"scan_id": str(scan.pk), "task_id": str(task.pk), "alias": "local"}
    return {"id": str(job.pk), "pk": str(job.pk), **ids}


def cases(operation):
    """What fits the schema, and what does not."""
    return st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )


def keeps_the_shape(response):
    """Of every mistake of the caller's."""
    if response.status_code < 400 or not response.content:
        return
    assert response.headers["content-type"] == ["application/json"], (response.status_code, response.text)
    body = response.json()
    assert body.keys() == {"code", "message", "field", "hint"}
    assert all(isinstance(value, str) for value in body.values()) and body["code"] and body["message"]


@pytest.mark.parametrize(("method", "path"), operations())
def test_any_request_gets_a_proper_answer(api, schema, real_ids, method, path):
    print(f"SYNCF_TEST_SEED={SEED} SYNCF_TEST_EXAMPLES={EXAMPLES}")
    key, sent = api._credentials["HTTP_AUTHORIZATION"], []

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(schema[path][method]), is_real=st.booleans())
    def send(case, is_real):
        if is_real:
            case.path_parameters.update({name: real_ids[name] for name in case.path_parameters if name in real_ids})
        response = case.call(headers={"Authorization": key})
        sent.append(response.status_code)
        print(case.method, case.formatted_path, case.query, case.headers, repr(case.body)[:200], response.status_code)
        keeps_the_shape(response)
        case.validate_response(response, checks=CHECKS)

    send()
    assert 401 not in sent and len(sent) >= EXAMPLES // 2


def test_the_schema_covers_every_action():
    assert ("POST", "/api/jobs") in operations() and ("GET", "/api/jobs/{id}/tracking") in operations()
    assert len(operations()) >= 20
