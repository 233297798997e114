"""The contract against its snapshot: nothing breaks, and every change shows in review."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.__main__ import main
from service.app import openapi
from tests.contract.compatibility import breaking, resolved

SNAPSHOT = Path(__file__).with_name("openapi.json")
LIST = "/api/v1/users/{user_id}/tasks"
TASK = f"{LIST}/{{task_id}}"

Json = dict[str, Any]


def snapshot() -> Json:
    document: Json = json.loads(SNAPSHOT.read_text("utf-8"))
    return document


def test_todays_contract_breaks_no_client_of_the_snapshot() -> None:
    """Today's contract breaks no client of the snapshot's contract."""
    assert breaking(snapshot(), json.loads(openapi())) == []


def test_the_snapshot_is_todays_contract() -> None:
    """The snapshot is today's contract; `make contract` renews it, unless something breaks."""
    today = msgspec.json.format(openapi(), indent=2).decode() + "\n"
    if os.environ.get("RENEW_CONTRACT") and not breaking(snapshot(), json.loads(openapi())):
        SNAPSHOT.write_text(today, "utf-8")
    assert SNAPSHOT.read_text("utf-8") == today


def test_the_command_prints_the_contract_without_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`python -m service openapi` prints the contract, and needs no setting for it."""
    assert main(["openapi"]) == 0
    assert capsys.readouterr().out == SNAPSHOT.read_text("utf-8")


def _schema(document: Json, name: str) -> Json:
    schema: Json = document["components"]["schemas"][name]
    return schema


def _limit(document: Json) -> Json:
    parameters = [resolved(each, document) for each in document["paths"][LIST]["get"]["parameters"]]
    [schema] = [each["schema"] for each in parameters if each["name"] == "limit"]
    assert isinstance(schema, dict)
    return schema


def _kinds(document: Json) -> Json:
    """The kinds of operations of a batch."""
    operation = _schema(document, "Batch")["properties"]["operations"]["items"]
    mapping: Json = operation["discriminator"]["mapping"]
    return mapping


def _forms(document: Json, *names: str) -> None:
    """Let the first of them come in the forms of all of them."""
    forms = [document["components"]["schemas"][name] for name in names]
    document["components"]["schemas"][names[0]] = {"anyOf": forms}


BREAKING: dict[str, Callable[[Json], object]] = {
    "a path is gone": lambda d: d["paths"].pop("/health"),
    "a method is gone": lambda d: d["paths"][TASK].pop("delete"),
    "an operation is renamed": lambda d: d["paths"][TASK]["get"].update(operationId="read_task"),
    "credentials are needed": lambda d: d["paths"]["/health"]["get"].update(
        security=[{"bearer": []}]
    ),
    "a parameter is gone": lambda d: d["paths"][LIST]["get"]["parameters"].pop(1),
    "a parameter is required": lambda d: d["paths"][LIST]["get"]["parameters"][1].update(
        required=True
    ),
    "a parameter is new and required": lambda d: d["paths"][LIST]["get"]["parameters"].append(
        {"in": "query", "name": "new", "required": True, "schema": {"type": "string"}}
    ),
    "a parameter has another default": lambda d: _limit(d).update(default=20),
    "a parameter's maximum is lower": lambda d: _limit(d).update(maximum=50),
    "a parameter has another type": lambda d: _limit(d).update(type="string"),
    "a body's media type is gone": lambda d: d["paths"][TASK]["patch"]["requestBody"][
        "content"
    ].pop("application/json"),
    "a body's member is required": lambda d: _schema(d, "NewTask")["required"].append("completed"),
    "a body's member is gone": lambda d: _schema(d, "NewTask")["properties"].pop("completed"),
    "a body's member is shorter": lambda d: _schema(d, "NewTask")["properties"]["title"].update(
        maxLength=100
    ),
    "a body's member has another form": lambda d: _schema(d, "NewTask")["properties"][
        "title"
    ].update(pattern="^a$"),
    "a body's member cannot be null": lambda d: _schema(d, "NewTask")["properties"][
        "description"
    ].update(type="string"),
    "a kind of operation is gone": lambda d: _kinds(d).pop("put"),
    "a kind of operation needs another member": lambda d: _schema(d, "PutOperation")[
        "required"
    ].append("if_match"),
    "an answer is gone": lambda d: d["paths"][LIST]["post"]["responses"].pop("201"),
    "an answer is new": lambda d: d["paths"][LIST]["post"]["responses"].update({"202": {}}),
    "an answer's header is gone": lambda d: d["paths"][LIST]["post"]["responses"]["201"][
        "headers"
    ].pop("Location"),
    "an answer's media type is gone": lambda d: d["paths"][TASK]["get"]["responses"]["200"][
        "content"
    ].clear(),
    "a shared answer's header is gone": lambda d: d["components"]["responses"]["NotAuthenticated"][
        "headers"
    ].pop("WWW-Authenticate"),
    "a shared answer is another one": lambda d: d["paths"][TASK]["get"]["responses"].update(
        {"422": d["paths"][TASK]["get"]["responses"]["404"]}
    ),
    "a shared parameter is required": lambda d: d["components"]["parameters"][
        "Idempotency-Key"
    ].update(required=True),
    "an answer's member is gone": lambda d: _schema(d, "Task")["properties"].pop("updated_at"),
    "an answer's member may be missing": lambda d: _schema(d, "Task")["required"].remove("title"),
    "an answer's member may be null": lambda d: _schema(d, "Task")["properties"]["title"].update(
        type=["string", "null"]
    ),
    "an answer's member is longer": lambda d: _schema(d, "Task")["properties"]["title"].update(
        maxLength=1000
    ),
    "an answer's member has no form": lambda d: _schema(d, "Task")["properties"]["created_at"].pop(
        "format"
    ),
    "an answer has a form that lacks a member": lambda d: _forms(d, "Health", "Liveness"),
    "an answer's member has other values": lambda d: _schema(d, "Health")["properties"][
        "status"
    ].update(const="ok"),
}

HARMLESS: dict[str, Callable[[Json], object]] = {
    "nothing": lambda _: None,
    "a path is new": lambda d: d["paths"].update({"/new": d["paths"]["/health"]}),
    "a parameter is new": lambda d: d["paths"][LIST]["get"]["parameters"].append(
        {"in": "query", "name": "new", "required": False, "schema": {"type": "string"}}
    ),
    "a parameter's maximum is higher": lambda d: _limit(d).update(maximum=500),
    "a body's member is new": lambda d: _schema(d, "NewTask")["properties"].update(
        due={"type": "string"}
    ),
    "a body's member is longer": lambda d: _schema(d, "NewTask")["properties"]["title"].update(
        maxLength=1000
    ),
    "a kind of operation is new": lambda d: _kinds(d).update(
        restore="#/components/schemas/DeleteOperation"
    ),
    "an answer's member is new": lambda d: _schema(d, "Task")["properties"].update(
        revision={"type": "integer"}
    ),
    "an answer has a form with more members": lambda d: _forms(
        d, "ProblemDetails", "InvalidDetails"
    ),
    "an answer's member is never null": lambda d: _schema(d, "Task")["properties"][
        "description"
    ].update(type="string"),
    "a problem is new": lambda d: d["paths"][TASK]["get"]["responses"].update({"423": {}}),
    "a text is another": lambda d: d["paths"][TASK]["get"].update(summary="Read"),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_breaking_changes_are_found(change: Callable[[Json], object]) -> None:
    """A change that can break a client is found."""
    changed = copy.deepcopy(snapshot())
    change(changed)
    assert breaking(snapshot(), changed) != []


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_additions_are_no_breaking_change(change: Callable[[Json], object]) -> None:
    """Additions and stronger promises break nothing."""
    changed = copy.deepcopy(snapshot())
    change(changed)
    assert breaking(snapshot(), changed) == []


def test_moves_into_components_and_out_of_them_break_nothing() -> None:
    """A response or a parameter is the same whether it stands in the operation or is referred to."""
    inline = snapshot()
    for methods in inline["paths"].values():
        for operation in methods.values():
            for place, part in [*operation["responses"].items()]:
                operation["responses"][place] = resolved(part, inline)
            for place, part in enumerate(operation.get("parameters", [])):
                operation["parameters"][place] = resolved(part, inline)
    del inline["components"]["responses"], inline["components"]["parameters"]
    assert breaking(inline, snapshot()) == []
    assert breaking(snapshot(), inline) == []
