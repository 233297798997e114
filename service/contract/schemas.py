"""Make the JSON schemas of what operations take and give."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from .docstrings import docstrings
from .operation import Operation

Json = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Schemas with the members' docstrings, and without titles, which would repeat their names."""

    def model_schema(self, schema: Any) -> Any:
        """Return a model's schema with its members' descriptions."""
        return _described(super().model_schema(schema), schema["cls"])

    def typed_dict_schema(self, schema: Any) -> Any:
        """Return a TypedDict's schema with its members' descriptions."""
        return _described(super().typed_dict_schema(schema), schema["cls"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - as the parent has it
        """Never."""
        return False

    def nullable_schema(self, schema: Any) -> Any:
        """Return `type: [string, null]` if possible: shorter than anyOf, and generators make better
        types of it.
        """
        found = super().nullable_schema(schema)
        inner = self.generate_inner(schema["schema"])
        return (
            {**inner, "type": [inner["type"], "null"]}
            if isinstance(inner.get("type"), str) and "const" not in inner
            else found
        )


class Schemas:
    """The JSON schemas of all types of the operations, shared ones as components."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: dict[tuple[str, JsonSchemaMode], Any] = {}
        for operation in operations:
            taken = [*operation.path.values(), operation.body, operation.query]
            given = [answer.body for answer in operation.answers.values()] + [
                kind.document for kind in operation.possible_problems()
            ]
            wanted |= {(repr(type_), "validation"): type_ for type_ in taken if type_ is not None}
            wanted |= {
                (repr(type_), "serialization"): type_ for type_ in given if type_ is not None
            }
        inputs = [(name, mode, TypeAdapter[Any](type_)) for (name, mode), type_ in wanted.items()]
        self._found, definitions = TypeAdapter.json_schemas(
            inputs, ref_template="#/components/schemas/{model}", schema_generator=_Plain
        )
        self.components: Json = {
            name: _without_defaults(schema)
            for name, schema in definitions["$defs"].items()
            if not name.endswith("Query")
        }
        self._definitions: Json = definitions["$defs"]

    def taken(self, type_: Any) -> Json:
        """Return the schema of a type in requests."""
        return dict(self._found[repr(type_), "validation"])

    def given(self, type_: Any) -> Json:
        """Return the schema of a type in responses."""
        return dict(self._found[repr(type_), "serialization"])

    def members(self, model: Any) -> Mapping[str, Json]:
        """Return the schemas of a model's members, by name."""
        members: Mapping[str, Json] = self._definitions[model.__name__]["properties"]
        return members


def _described(schema: Json, kind: type) -> Json:
    said = docstrings(kind)
    members = {
        name: {"description": said[name], **member} if name in said else member
        for name, member in schema.get("properties", {}).items()
    }
    return {**schema, "properties": members} if members else schema


def _without_defaults(schema: Json) -> Json:
    """Move a body's defaults into its descriptions: some generators take a member with `default`
    for required, so that their clients must send it.
    """
    members = {
        name: _in_words(member) if "default" in member else member
        for name, member in schema.get("properties", {}).items()
    }
    return {**schema, "properties": members} if members else schema


def _in_words(member: Json) -> Json:
    default = msgspec.json.encode(member["default"]).decode()
    said = {**member, "description": f"{member['description']} Default: `{default}`."}
    del said["default"]
    return said
