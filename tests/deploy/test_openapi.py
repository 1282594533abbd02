"""The HTTP door against its own OpenAPI: whatever that allows, and what it does not, is answered as it says."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from test_serve import TOKEN, Server, model

from groundwave.deploy.guard import Limits
from groundwave.deploy.serve import application

# Not asked: that whatever fits the schema is accepted. Records must also fit the model, which no schema can say.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]
QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate], derandomize=True
)
LONG = settings(QUICK, max_examples=400)


schema = schemathesis.openapi.from_dict(application("test", model(), token=TOKEN).openapi())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Server(model(), token=TOKEN, limits=Limits()) as client, client:
        yield str(client.base_url)


def ask(case: schemathesis.Case, address: str) -> int:
    case.headers["Authorization"] = f"Bearer {TOKEN}"
    return case.call_and_validate(base_url=address, checks=CHECKS).status_code


@schema.parametrize()
@QUICK
def test_every_route_answers_as_it_is_described(case: schemathesis.Case, address: str) -> None:
    assert ask(case, address) != 500


@pytest.mark.slow
@schema.parametrize()
@LONG
def test_every_route_answers_as_it_is_described_at_length(case: schemathesis.Case, address: str) -> None:
    assert ask(case, address) != 500
