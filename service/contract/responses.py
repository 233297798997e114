"""Describe the responses of operations."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from ..web.problem import Problem, details
from .operation import ANSWER_HEADERS, Answer, Header, Operation
from .schemas import Json, Schemas

PROBLEM = "application/problem+json"
INSTANCE = "0198c2f4-6a00-7d3e-9b51-0a1b2c3d4e5f"
"""The request's id in examples of problems."""


def responses_of(operation: Operation, schemas: Schemas) -> dict[str, tuple[str, Json]]:
    """Return the responses of an operation by status, each with its name among all responses."""
    found = {
        str(status): (
            HTTPStatus(status).phrase.replace(" ", ""),
            _answer(status, answer, operation, schemas),
        )
        for status, answer in operation.answers.items()
    }
    possible = operation.possible_problems()
    for status in sorted({kind.status for kind in possible}):
        kinds = [kind for kind in possible if kind.status == status]
        name = "Or".join(kind.slug.title().replace("-", "") for kind in kinds)
        found[str(status)] = (name, _problems(kinds, schemas))
    return found


def header(described: Header) -> Json:
    """Return a header of a response."""
    return {
        "description": described.description,
        "required": described.required,
        "schema": dict(described.schema),
    }


def examples(shown: Iterable[tuple[str, object]]) -> Json:
    """Return examples, each a summary and a value, by a key made of the summary."""
    return {
        "".join(character if character.isalnum() else "_" for character in summary.lower()): {
            "summary": summary,
            "value": value,
        }
        for summary, value in shown
    }


def _answer(status: int, answer: Answer, operation: Operation, schemas: Schemas) -> Json:
    own = {name: header(described) for name, described in answer.own_headers.items()}
    made: Json = {"description": answer.description, "headers": _headers(answer.headers) | own}
    if answer.body is not None:
        content: Json = {"schema": schemas.given(answer.body)}
        shown = [(e.summary, e.answer) for e in operation.examples if e.status == status]
        if shown:
            content["examples"] = examples(shown)
        made["content"] = dict.fromkeys(answer.offered, content)
    elif answer.media_types:
        made["content"] = {
            media_type: {"schema": {"type": "string"}} for media_type in answer.media_types
        }
    if answer.links:
        made["links"] = {
            name: {"operationId": name, "parameters": {**given}}
            for name, given in answer.links.items()
        }
    return made


def _problems(kinds: Sequence[type[Problem]], schemas: Schemas) -> Json:
    """Return one response for all problems with the same status, with an example of each."""
    # The most specific first: a client that tries the schemas in turn would match the plainest.
    documents = sorted(
        {kind.document for kind in kinds},
        key=lambda type_: len(type_.__annotations__),
        reverse=True,
    )
    bodies = [schemas.given(type_) for type_ in documents]
    sent = dict.fromkeys(header for kind in kinds for header in kind.sends)
    not_always = [
        name
        for name in sent
        if any(name not in kind.sends for kind in kinds) and ANSWER_HEADERS[name].required
    ]
    return {
        "description": " Or: ".join(
            " ".join(kind.explanation().partition("\n\n")[0].split()) for kind in kinds
        ),
        "headers": {
            **_headers(sent),
            **{name: header(ANSWER_HEADERS[name]) | {"required": False} for name in not_always},
        },
        "content": {
            PROBLEM: {
                "schema": bodies[0] if len(bodies) == 1 else {"anyOf": bodies},
                "examples": {
                    kind.slug: {
                        "summary": kind.title,
                        "value": details(kind, kind.detail, INSTANCE) | dict(kind.example),
                    }
                    for kind in kinds
                },
            }
        },
    }


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}
