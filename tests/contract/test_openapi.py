"""The contract as a document: valid, complete, and true to the models that run."""

import json
import re
import sys
from typing import Any

import pytest
from openapi_spec_validator import validate

from service.app import openapi, routes
from service.contract.operation import ANSWER_HEADERS
from service.web.input import BLANKS
from service.web.problem import kinds

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


def test_valid(contract: Json) -> None:
    """The document is what OpenAPI 3.1 says, by the official schema and beyond."""
    validate(contract)


def test_only_known_keywords(contract: Json) -> None:
    """Every schema has only known keywords: a misspelt limit would have no effect."""
    found = schemas(contract)
    assert len(found) > 50
    assert {keyword for schema in found for keyword in schema} <= KEYWORDS


def test_every_route_is_there(contract: Json) -> None:
    """Each method of each path is in the document, and nothing else is."""
    served = {
        (route.path, method.lower())
        for route in routes()
        for method in route.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert {
        (path, method) for path, methods in contract["paths"].items() for method in methods
    } == served


def test_names_are_unique(contract: Json) -> None:
    """Generated clients make a function of each operationId."""
    names = [
        operation["operationId"]
        for methods in contract["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_limits_are_the_models(contract: Json) -> None:
    """The limits that are checked are those that stand in the contract."""
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
    limits = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert limits["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
    assert limits["offset"] == {"type": "integer", "minimum": 0, "maximum": 100_000, "default": 0}
    assert limits["completed"] == {"type": "boolean"}


def test_answers_of_each_operation(contract: Json) -> None:
    """What every operation below a user can answer, to the last status, with the headers that come
    along.
    """
    task = contract["paths"]["/api/v1/users/{user_id}/tasks/{task_id}"]
    common = {"400", "401", "404", "406", "422", "429", "500", "503", "504"}
    assert task["get"]["responses"].keys() == common | {"200", "304", "412"}
    assert task["put"]["responses"].keys() == common | {"200", "201", "409", "412", "413", "415"}
    assert task["patch"]["responses"].keys() == common | {"200", "409", "412", "413", "415"}
    assert task["delete"]["responses"].keys() == common - {"406"} | {"204", "409", "412"}
    answers = task["patch"]["responses"]
    assert "WWW-Authenticate" in answers["401"]["headers"]
    assert "Retry-After" in answers["503"]["headers"]
    assert "Accept-Patch" in answers["415"]["headers"]
    every = [
        answer
        for methods in contract["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
    ]
    assert all("X-Request-Id" in answer["headers"] for answer in every)


def test_every_problem_sends_what_it_says() -> None:
    """The headers that a problem's class announces are in the catalogue."""
    assert {header for kind in kinds().values() for header in kind.sends} <= ANSWER_HEADERS.keys()


def test_blanks() -> None:
    """The contract's pattern for titles and the service's own look agree on every character there
    is.
    """
    blank = re.compile(f"[{BLANKS}]")
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        assert bool(blank.fullmatch(character)) == character.isspace(), hex(number)


def test_no_secret_and_no_inside(contract: Json) -> None:
    """The document names no table, no file and no address."""
    assert not re.search(
        r"sql|asyncpg|postgres|tasks_pkey|tasks_newest|\.py|localhost|127\.0",
        json.dumps(contract),
        re.IGNORECASE,
    )
