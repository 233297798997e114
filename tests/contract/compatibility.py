"""What breaks clients between two versions of the contract.

Small on purpose: it knows the parts of OpenAPI and JSON Schema that our contract has, and calls a
change of any other part of a schema breaking. What a client sends may only become freer, what it
gets may only become narrower.
"""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_PROSE = {"description", "title", "examples", "example", "summary", "default"}
_UPPER = {"maximum", "maxLength", "maxItems"}
_LOWER = {"minimum", "minLength", "minItems"}


def breaking(old: Json, new: Json) -> list[str]:
    """Each change from old to new that a sound client of old can trip over, with where it is."""
    return [*_paths(old, new)]


def _paths(old: Json, new: Json) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            found = new["paths"].get(path, {}).get(method)
            if found is None:
                yield f"{where}: gone"
                continue
            if found["operationId"] != operation["operationId"]:
                yield f"{where}: another operationId, so generated clients have another name for it"
            if found["security"] and not operation["security"]:
                yield f"{where}: now needs credentials"
            yield from _parameters(where, operation, found, old, new)
            yield from _body(
                where, operation.get("requestBody"), found.get("requestBody"), old, new
            )
            yield from _answers(where, operation["responses"], found["responses"], old, new)


def _parameters(where: str, old: Json, new: Json, before: Json, after: Json) -> Iterator[str]:
    had, has = _by_name(old, before), _by_name(new, after)
    for key, parameter in had.items():
        at = f"{where}: {key[0]} parameter {key[1]}"
        if key not in has:
            yield f"{at}: gone"
            continue
        if has[key]["required"] and not parameter["required"]:
            yield f"{at}: now required"
        if parameter["schema"].get("default") != has[key]["schema"].get("default"):
            yield f"{at}: another default"
        yield from _Sent(before, after).compare(at, parameter["schema"], has[key]["schema"])
    for key in has.keys() - had.keys():
        if has[key]["required"]:
            yield f"{where}: {key[0]} parameter {key[1]}: new and required"


def _by_name(operation: Json, document: Json) -> dict[tuple[str, str], Json]:
    parameters = [resolved(each, document) for each in operation.get("parameters", [])]
    return {(parameter["in"], parameter["name"]): parameter for parameter in parameters}


def _body(
    where: str, old: Json | None, new: Json | None, before: Json, after: Json
) -> Iterator[str]:
    if new is not None and old is None and new["required"]:
        yield f"{where}: now needs a body"
    if old is None:
        return
    for media_type, content in old["content"].items():
        if new is None or media_type not in new["content"]:
            yield f"{where}: body {media_type}: gone"
        else:
            yield from _Sent(before, after).compare(
                f"{where}: body", content["schema"], new["content"][media_type]["schema"]
            )


def _answers(where: str, old: Json, new: Json, before: Json, after: Json) -> Iterator[str]:
    for status, answer in old.items():
        at = f"{where}: {status}"
        if status not in new:
            if status < "300":
                yield f"{at}: gone"
            continue
        had, has = resolved(answer, before), resolved(new[status], after)
        for name in had.get("headers", {}).keys() - has.get("headers", {}).keys():
            yield f"{at}: header {name}: gone"
        for media_type, content in had.get("content", {}).items():
            found = has.get("content", {}).get(media_type)
            if found is None:
                yield f"{at}: {media_type}: gone"
            else:
                yield from _Given(before, after).compare(at, content["schema"], found["schema"])
    for status in new.keys() - old.keys():
        if status < "300":
            yield f"{where}: {status}: a new way to succeed"


class _Sent:
    """Schemas of what a client sends: everything that was sound must stay so."""

    sent = True

    def __init__(self, before: Json, after: Json) -> None:
        self.before, self.after = before, after

    def compare(self, where: str, old: Json, new: Json) -> Iterator[str]:
        """Each difference that breaks."""
        old, new = resolved(old, self.before), resolved(new, self.after)
        yield from self._types(where, old, new)
        yield from self._bounds(where, old, new)
        yield from self._members(where, old, new)
        if "items" in old and "items" in new:
            yield from self.compare(f"{where}/items", old["items"], new["items"])
        yield from self._kinds(where, old, new)
        known = {
            "type",
            "enum",
            "const",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "oneOf",
            "discriminator",
            *_PROSE,
            *_UPPER,
            *_LOWER,
        }
        for keyword in (old.keys() | new.keys()) - known:
            # A form that is dropped frees what is sent; a form that is added narrows what is got.
            harmless = keyword not in new if self.sent else keyword not in old
            if old.get(keyword) != new.get(keyword) and not harmless:
                yield f"{where}: {keyword} changed"

    def _kinds(self, where: str, old: Json, new: Json) -> Iterator[str]:
        """Objects of several kinds, each named by a member."""
        had, has = [schema.get("discriminator", {}).get("mapping", {}) for schema in (old, new)]
        freer, narrower = (has, had) if self.sent else (had, has)
        for name in narrower.keys() - freer.keys():
            yield f"{where}/{name}: {'gone' if self.sent else 'a new kind'}"
        for name in had.keys() & has.keys():
            yield from self.compare(f"{where}/{name}", {"$ref": had[name]}, {"$ref": has[name]})

    def _types(self, where: str, old: Json, new: Json) -> Iterator[str]:
        had, has = _kinds(old), _kinds(new)
        if not (had <= has if self.sent else has <= had):
            yield f"{where}: type was {' or '.join(sorted(had))}, is {' or '.join(sorted(has))}"
        values, now = _values(old), _values(new)
        first, second = (values, now) if self.sent else (now, values)
        if second is not None and (
            first is None or not set(map(repr, first)) <= set(map(repr, second))
        ):
            yield f"{where}: other values than before"

    def _bounds(self, where: str, old: Json, new: Json) -> Iterator[str]:
        freer, narrower = (new, old) if self.sent else (old, new)
        for keywords, sign in ((_UPPER, 1), (_LOWER, -1)):
            for keyword in keywords:
                limit, reach = freer.get(keyword), narrower.get(keyword)
                if limit is not None and (reach is None or (reach - limit) * sign > 0):
                    yield f"{where}: {keyword} was {old.get(keyword)}, is {new.get(keyword)}"

    def _members(self, where: str, old: Json, new: Json) -> Iterator[str]:
        had, has = old.get("properties", {}), new.get("properties", {})
        for name, schema in had.items():
            if name in has:
                yield from self.compare(f"{where}/{name}", schema, has[name])
            else:
                yield f"{where}/{name}: gone"
        required, demanded = set(old.get("required", [])), set(new.get("required", []))
        for name in demanded - required if self.sent else (required - demanded) & has.keys():
            yield f"{where}/{name}: {'now required' if self.sent else 'may now be missing'}"
        if old.get("additionalProperties") != new.get("additionalProperties"):
            yield f"{where}: additionalProperties changed"


class _Given(_Sent):
    """Schemas of what a client gets: nothing may come that could not come before, but for new
    members.
    """

    sent = False

    def compare(self, where: str, old: Json, new: Json) -> Iterator[str]:
        """Each difference that breaks. Where there are several forms now, each has to be what the
        one was.
        """
        forms = resolved(new, self.after).get("anyOf", [])
        if forms and "anyOf" not in resolved(old, self.before):
            for form in forms:
                yield from super().compare(where, old, form)
        else:
            yield from super().compare(where, old, new)


def resolved(part: Json, document: Json) -> Json:
    """The component to which a part of the document refers; one that refers to none is itself."""
    if "$ref" not in part:
        return part
    *_, kind, name = part["$ref"].split("/")
    component: Json = document["components"][kind][name]
    return component


def _kinds(schema: Json) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _values(schema: Json) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values
