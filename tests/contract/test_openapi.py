"""The contract as a document: valid, complete, and true to the models that run."""

import json
import re
import sys
from collections import Counter
from typing import Any

import pytest

from service.app import openapi, routes
from service.contract.operation import ANSWER_HEADERS, REQUEST_HEADERS
from service.contract.responses import PROBLEM
from service.web.input import BLANKS
from service.web.problem import kinds
from tests.contract.compatibility import resolved

Json = dict[str, Any]

KEYWORDS = {
    *(
        "type",
        "uniqueItems",
        "const",
        "enum",
        "anyOf",
        "oneOf",
        "discriminator",
        "$ref",
        "format",
        "pattern",
        "minLength",
        "maxItems",
        "minItems",
        "maxLength",
        "minimum",
        "maximum",
    ),
    *(
        "properties",
        "required",
        "additionalProperties",
        "items",
        "title",
        "description",
        "default",
        "examples",
        "contentMediaType",
        "contentSchema",
    ),
}


@pytest.fixture(scope="module")
def contract() -> Json:
    document: Json = json.loads(openapi())
    return document


def schemas(part: Any) -> list[Json]:
    """Every schema in the document, however deep."""
    found: list[Json] = []
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("schema", "items", "additionalProperties", "contentSchema") and isinstance(
                value, dict
            ):
                found.append(value)
            if name in ("schemas", "properties") and isinstance(value, dict):
                found += value.values()
            if name in ("anyOf", "oneOf"):
                found += value
            if name not in ("examples", "example"):
                found += schemas(value)
    elif isinstance(part, list):
        for value in part:
            found += schemas(value)
    return found


@pytest.mark.usefixtures("without_iris")
def test_the_document_is_valid_openapi_3_1(contract: Json) -> None:
    """The document is valid OpenAPI 3.1, by the official schema and beyond."""
    from openapi_spec_validator import validate

    validate(contract)


def test_schemas_have_only_known_keywords(contract: Json) -> None:
    """Every schema has only known keywords: a misspelt limit would have no effect."""
    found = schemas(contract)
    assert len(found) > 50
    assert {keyword for schema in found for keyword in schema} <= KEYWORDS


def test_the_document_has_exactly_the_served_methods(contract: Json) -> None:
    """Each method of each path is in the document, and no other."""
    served = {
        (route.path, method.lower())
        for route in routes()
        for method in route.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert {
        (path, method) for path, methods in contract["paths"].items() for method in methods
    } == served


def test_operation_ids_are_unique(contract: Json) -> None:
    """Generated clients make a function of each operationId."""
    names = [
        operation["operationId"]
        for methods in contract["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_limits_are_those_that_the_models_check(contract: Json) -> None:
    """The limits in the contract are those that are checked."""
    new = contract["components"]["schemas"]["NewTask"]
    assert new["additionalProperties"] is False
    assert (new["properties"]["title"]["minLength"], new["properties"]["title"]["maxLength"]) == (
        1,
        255,
    )
    assert new["properties"]["description"]["maxLength"] == 2000
    assert new["required"] == ["title"]
    patch = contract["components"]["schemas"]["TaskPatch"]
    assert "required" not in patch
    assert not [member for member in patch["properties"].values() if "default" in member]
    parameters = contract["paths"]["/api/v1/users/{user_id}/tasks"]["get"]["parameters"]
    limits = {each["name"]: each["schema"] for each in (resolved(p, contract) for p in parameters)}
    assert limits["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert limits["offset"] == {"type": "integer", "minimum": 0, "maximum": 100_000, "default": 0}
    assert limits["completed"] == {"type": "boolean"}


def test_each_operation_lists_its_statuses_and_headers(contract: Json) -> None:
    """Every operation below a user lists all statuses that it can answer, with their headers."""
    task = contract["paths"]["/api/v1/users/{user_id}/tasks/{task_id}"]
    common = {"400", "401", "404", "406", "422", "429", "500", "503", "504"}
    assert task["get"]["responses"].keys() == common | {"200", "304", "412"}
    assert task["put"]["responses"].keys() == common | {"200", "201", "409", "412", "413", "415"}
    assert task["patch"]["responses"].keys() == common | {"200", "409", "412", "413", "415"}
    assert task["delete"]["responses"].keys() == common - {"406"} | {"204", "409", "412"}
    answers = {
        status: resolved(answer, contract) for status, answer in task["patch"]["responses"].items()
    }
    assert "WWW-Authenticate" in answers["401"]["headers"]
    assert "Retry-After" in answers["503"]["headers"]
    assert "Accept-Patch" in answers["415"]["headers"]
    every = [
        resolved(answer, contract)
        for methods in contract["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
    ]
    assert all("X-Request-Id" in answer["headers"] for answer in every)


def test_what_operations_repeat_is_a_component(contract: Json) -> None:
    """No response and no parameter stands in two operations; each component has several users."""
    operations = [each for methods in contract["paths"].values() for each in methods.values()]
    parts = [
        json.dumps(part)
        for operation in operations
        for part in (*operation["responses"].values(), *operation.get("parameters", []))
    ]
    uses = Counter(parts)
    assert {part for part, times in uses.items() if times > 1} == {
        json.dumps({"$ref": f"#/components/{kind}/{name}"})
        for kind in ("responses", "parameters")
        for name in contract["components"][kind]
    }


def test_each_operation_refers_to_what_it_declares(contract: Json) -> None:
    """Each operation's problems and headers, resolved, are those that its handler declares."""
    for at in (described for route in routes() for described in route.operations):
        operation = contract["paths"][at.path][at.method.lower()]
        problems = [
            slug
            for status, answer in operation["responses"].items()
            if int(status) not in at.operation.answers
            for slug in resolved(answer, contract)["content"][PROBLEM]["examples"]
        ]
        possible = at.operation.possible_problems()
        assert sorted(problems) == sorted(kind.slug for kind in possible)
        taken = [resolved(parameter, contract) for parameter in operation.get("parameters", [])]
        said = {each["name"]: each["description"] for each in taken if each["in"] == "header"}
        for name in {*at.operation.headers, *at.operation.own_headers}:
            declared = at.operation.own_headers.get(name) or REQUEST_HEADERS[name]
            assert said[name] == declared.description


def test_the_catalogue_has_each_problems_headers() -> None:
    """The headers that a problem's class announces are in the catalogue."""
    assert {header for kind in kinds().values() for header in kind.sends} <= ANSWER_HEADERS.keys()


def test_pattern_and_service_agree_which_titles_are_blank() -> None:
    """The contract's pattern for titles and the service's own check agree on every character."""
    blank = re.compile(f"[{BLANKS}]")
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        assert bool(blank.fullmatch(character)) == character.isspace(), hex(number)


def test_the_document_reveals_no_internals(contract: Json) -> None:
    """The document names no table, no file and no address."""
    assert not re.search(
        r"sql|asyncpg|postgres|tasks_pkey|tasks_newest|\.py|localhost|127\.0",
        json.dumps(contract),
        re.IGNORECASE,
    )
