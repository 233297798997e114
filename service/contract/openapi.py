"""Make the OpenAPI 3.1 document from the routes and their Operations."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from .endpoint import Described
from .operation import ANSWER_HEADERS, REQUEST_HEADERS, Operation
from .responses import examples, header, responses_of
from .schemas import Json, Schemas

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
    declared = [described.operation for described in listed]
    schemas = Schemas(declared)
    parameters = _Shared(
        "parameters", (named for each in declared for named in _parameters(each, schemas))
    )
    responses = _Shared(
        "responses", (named for each in declared for named in responses_of(each, schemas).values())
    )
    paths: Json = {}
    for at in listed:
        paths.setdefault(at.path, {})[at.method.lower()] = _operation(
            at, schemas, parameters, responses
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
            "parameters": parameters.components,
            "responses": responses.components,
            "headers": {name: header(described) for name, described in ANSWER_HEADERS.items()},
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


class _Shared:
    """What several operations have the same: components, to which these operations refer."""

    def __init__(self, kind: str, uses: Iterable[tuple[str, Json]]) -> None:
        """`uses`: of all operations, each with its name."""
        self._kind = kind
        named = [(name, part, msgspec.json.encode(part)) for name, part in uses]
        times = Counter((name, encoded) for name, _, encoded in named)
        self.components = {name: part for name, part, encoded in named if times[name, encoded] > 1}

    def refer(self, name: str, part: Json) -> Json:
        """Return a reference to the component that equals the part; without one the part itself."""
        if self.components.get(name) == part:
            return {"$ref": f"#/components/{self._kind}/{name}"}
        return part


def _operation(at: Described, schemas: Schemas, parameters: _Shared, responses: _Shared) -> Json:
    operation = at.operation
    summary, _, description = at.text.partition("\n\n")
    made: Json = {
        "operationId": at.name,
        "tags": [operation.tag],
        "summary": " ".join(summary.split()).removesuffix("."),
    }
    if description:
        made["description"] = description
    made["security"] = [{"bearer": []}] if operation.auth is not None else []
    if taken := [parameters.refer(*named) for named in _parameters(operation, schemas)]:
        made["parameters"] = taken
    if operation.body is not None:
        content: Json = {"schema": schemas.taken(operation.body)}
        if shown := [(e.summary, e.body) for e in operation.examples if e.body is not None]:
            content["examples"] = examples(shown)
        made["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(operation.body.media_types, content),
        }
    made["responses"] = {
        status: responses.refer(*named)
        for status, named in responses_of(operation, schemas).items()
    }
    return made


def _parameters(operation: Operation, schemas: Schemas) -> Iterable[tuple[str, Json]]:
    """Return the parameters of an operation, each with its name."""
    for name, type_ in operation.path.items():
        yield name, _parameter(name, "path", schemas.taken(type_), required=True)
    if operation.query is not None:
        for name, schema in schemas.members(operation.query).items():
            yield name, _parameter(name, "query", _present(schema), required=False)
    names = (*operation.headers, *(["X-Request-Id"] if operation.auth is not None else []))
    known = {name: REQUEST_HEADERS[name] for name in names}
    for name, described in (known | {**operation.own_headers}).items():
        schema = {**described.schema, "description": described.description}
        yield name, _parameter(name, "header", schema, required=described.required)


def _parameter(name: str, place: str, schema: Json, *, required: bool) -> Json:
    made = {
        "name": name,
        "in": place,
        "description": schema.pop("description"),
        "required": required,
        "schema": schema,
    }
    if shown := schema.pop("examples", None):
        made["example"] = shown[0]
    return made


def _present(schema: Json) -> Json:
    """Return the schema of a present query parameter: it can be omitted, not null."""
    schema = {
        name: value for name, value in schema.items() if name != "default" or value is not None
    }
    if isinstance(schema.get("type"), list):
        schema["type"] = next(kind for kind in schema["type"] if kind != "null")
    return schema
