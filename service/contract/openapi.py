"""Make the OpenAPI 3.1 document from the routes and their Operations."""

from collections.abc import Iterable, Sequence

from ..web.problem import Problem, details
from .endpoint import Described
from .operation import ANSWER_HEADERS, REQUEST_HEADERS, Answer, Header, Operation
from .schemas import Json, Schemas

PROBLEM = "application/problem+json"
DESCRIPTION = """\
Tasks of many users; each sees and changes only their own.

* **Authentication**: a bearer token (JWT) whose subject is the `user_id` in the path. Any other
  user's path is 404, so that no response reveals whether a user or a task exists. The order of the
  checks: token, path, syntax of the request, existence of the task.
* **Bodies** are JSON in UTF-8, at most 64 KiB, a batch 1 MiB. Unknown and duplicate members, wrong
  types and U+0000 in strings are refused, never ignored. Lengths count Unicode code points.
* **Queries**: parameters must be valid and not repeated; unknown ones are ignored, except by the
  list of tasks, which refuses them.
* **Errors** are problem details (RFC 9457). `type` links to a page with the meaning and the cure.
* **Methods**: HEAD works wherever GET does, OPTIONS everywhere; a path's other methods are 405
  with `Allow`.
* **Paths** are exact: none ends in a slash but `/`.
"""
TAGS = {
    "tasks": "Tasks of the caller.",
    "trash": "Deleted tasks of the caller, for 30 days.",
    "account": "All data of the caller.",
    "session": "The caller.",
    "service": "The service itself: its health and its contract.",
}


def document(version: str, operations: Iterable[Described], server: str) -> Json:
    """Return the document. `server`: the path prefix under which clients reach the service.

    Raises KeyError for an unknown header or tag.
    """
    # Sorts stably
    listed = sorted(operations, key=lambda described: [*TAGS].index(described.operation.tag))
    schemas = Schemas([described.operation for described in listed])
    paths: Json = {}
    for at in listed:
        paths.setdefault(at.path, {})[at.method.lower()] = _operation(
            at.name, at.operation, at.text, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Task service",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server, "description": "This service"}],
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "headers": {name: _header(header) for name, header in ANSWER_HEADERS.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token whose `sub` is the user's id. At most 8 KiB.",
                }
            },
        },
    }


def _operation(name: str, operation: Operation, text: str, schemas: Schemas) -> Json:
    summary, _, description = text.partition("\n\n")
    made: Json = {
        "operationId": name,
        "tags": [operation.tag],
        "summary": " ".join(summary.split()).removesuffix("."),
    }
    if description:
        made["description"] = description
    made["security"] = [{"bearer": []}] if operation.auth is not None else []
    if parameters := [*_parameters(operation, schemas)]:
        made["parameters"] = parameters
    if operation.body is not None:
        content: Json = {"schema": schemas.taken(operation.body)}
        if examples := {
            _key(e.summary): {"summary": e.summary, "value": e.body}
            for e in operation.examples
            if e.body is not None
        }:
            content["examples"] = examples
        made["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(operation.body.media_types, content),
        }
    made["responses"] = {
        str(status): _answer(status, answer, operation, schemas)
        for status, answer in operation.answers.items()
    }
    possible = operation.possible_problems()
    for status in sorted({kind.status for kind in possible}):
        made["responses"][str(status)] = _problems(
            [kind for kind in possible if kind.status == status], schemas
        )
    return made


def _parameters(operation: Operation, schemas: Schemas) -> Iterable[Json]:
    for name, type_ in operation.path.items():
        yield _parameter(name, "path", schemas.taken(type_), required=True)
    if operation.query is not None:
        for name, schema in schemas.members(operation.query).items():
            yield _parameter(name, "query", _present(schema), required=False)
    names = (*operation.headers, *(["X-Request-Id"] if operation.auth is not None else []))
    known = {name: REQUEST_HEADERS[name] for name in names}
    for name, header in (known | {**operation.own_headers}).items():
        yield _parameter(
            name,
            "header",
            {**header.schema, "description": header.description},
            required=header.required,
        )


def _parameter(name: str, place: str, schema: Json, *, required: bool) -> Json:
    description = schema.pop("description")
    made = {
        "name": name,
        "in": place,
        "description": description,
        "required": required,
        "schema": schema,
    }
    if examples := schema.pop("examples", None):
        made["example"] = examples[0]
    return made


def _present(schema: Json) -> Json:
    """Return the schema of a present query parameter: it can be omitted, not null."""
    schema = {
        name: value for name, value in schema.items() if name != "default" or value is not None
    }
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
    return schema


def _answer(status: int, answer: Answer, operation: Operation, schemas: Schemas) -> Json:
    own = {name: _header(header) for name, header in answer.own_headers.items()}
    made: Json = {"description": answer.description, "headers": _headers(answer.headers) | own}
    if answer.body is not None:
        content: Json = {"schema": schemas.given(answer.body)}
        shown = [example for example in operation.examples if example.status == status]
        if shown:
            content["examples"] = {
                _key(e.summary): {"summary": e.summary, "value": e.answer} for e in shown
            }
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
    examples = {
        kind.slug: {
            "summary": kind.title,
            "value": (
                details(kind, kind.detail, "0198c2f4-6a00-7d3e-9b51-0a1b2c3d4e5f")
                | dict(kind.example)
            ),
        }
        for kind in kinds
    }
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
            **{name: _header(ANSWER_HEADERS[name]) | {"required": False} for name in not_always},
        },
        "content": {
            PROBLEM: {
                "schema": bodies[0] if len(bodies) == 1 else {"anyOf": bodies},
                "examples": examples,
            }
        },
    }


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


def _header(header: Header) -> Json:
    return {
        "description": header.description,
        "required": header.required,
        "schema": dict(header.schema),
    }


def _key(summary: str) -> str:
    """Return a component's name for a summary."""
    return "".join(character if character.isalnum() else "_" for character in summary.lower())
