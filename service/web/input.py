"""Parse the client's path ids, query and body. Invalid input raises one Invalid with all faults."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from starlette.requests import ClientDisconnect

from ..db.types import FastUUID
from .exchange import Exchange
from .faults import MAX_FAULTS, in_body, in_query
from .json_objects import check_number, check_once
from .media_types import essence_in_utf8
from .problem_types import Invalid, TooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 64 * 1024
"""Room for the longest title and description with every character written as \\uXXXX\\uXXXX."""

MAX_LIST_BYTES = 1024 * 1024
"""Of a body that is a list of many; the server takes no larger one."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

# RFC 9562, section 4: with all hyphens or none, in either case.
_UUID = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE | re.ASCII
)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


BLANKS = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The white space of str.isspace() as a range of a regular expression, as dialects differ about
`\\s`.
"""


class Body(BaseModel):
    """A JSON object without unknown or duplicate members, strictly typed. A member's docstring is
    its description.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    media_types: ClassVar[tuple[str, ...]] = (JSON,)
    max_bytes: ClassVar[int] = MAX_BODY_BYTES


class Query(BaseModel):
    """Query parameters; unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for a text, with its own message, and with its pattern for the contract."""

    check: Callable[[str], str]
    pattern: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the check, after the type's own checks."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the type's schema with the pattern."""
        return {**handler(schema), "pattern": self.pattern}


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "Must not contain the character U+0000")
    return text


def _not_blank(text: str) -> str:
    if _no_nul(text).isspace():
        raise PydanticCustomError("blank", "Must not be only white space")
    return text


def _whole(text: object) -> object:
    if isinstance(text, str) and not _WHOLE_NUMBER.fullmatch(text):
        raise PydanticCustomError("whole_number", "Must be a whole number, in decimal digits")
    return text


def _integral(value: object) -> object:
    """Return an integer for a number without fraction, as JSON Schema defines integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _true_or_false(text: object) -> object:
    if isinstance(text, str):
        if text not in ("true", "false"):
            raise PydanticCustomError("boolean", "Must be `true` or `false`")
        return text == "true"
    return text


NO_NUL = Rule(_no_nul, r"^[^\u0000]*$")
NOT_BLANK = Rule(_not_blank, rf"^[^\u0000]*[^\u0000{BLANKS}][^\u0000]*$")
"""Not only white space, and NO_NUL."""
WHOLE = BeforeValidator(_whole)
"""Put this after an int's bounds: otherwise the contract has wrong names for them."""
INTEGRAL = BeforeValidator(_integral)
"""For whole numbers in bodies, which may be written `3.0`; after an int's bounds, as WHOLE."""
Truth = Annotated[bool, BeforeValidator(_true_or_false)]

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)


def uuid_of(request: Exchange, name: str) -> UUID:
    """Return a path parameter as a UUID. Raises Invalid."""
    text: str = request.scope["path_params"][name]
    if not _UUID.fullmatch(text):
        raise Invalid([{"parameter": name, "detail": "Must be a UUID", "code": "uuid"}])
    return FastUUID(text)


def canonical(parameter: str) -> str:
    """Return a path parameter in canonical form: one spelling for each UUID."""
    return str(UUID(parameter)) if _UUID.fullmatch(parameter) else parameter


def query_of(request: Exchange, model: type[Q]) -> Q:
    """Return the query as the model. Raises Invalid."""
    query: Q = _parsed(request.scope["query_string"], model)
    return query


@lru_cache(maxsize=256)  # clients send few different queries, again and again
def _parsed(query: bytes, model: type[Q]) -> Q:
    given = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    values = dict(given)
    if len(values) < len(given):
        counts = Counter([name for name, _ in given])
        repeated = [name for name in model.model_fields if counts[name] > 1]
        if repeated:
            raise Invalid(
                [
                    {"parameter": name, "detail": "Must be given once", "code": "repeated"}
                    for name in repeated
                ]
            )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(in_query(error)) from None


async def body_of(request: Exchange, model: type[B]) -> B:
    """The body as the model. Raises UnsupportedMediaType, TooLarge or Invalid."""
    return parsed(await content_of(request, model), model)


async def content_of(request: Exchange, model: type[B]) -> bytes:
    """The body as it was sent. Raises UnsupportedMediaType and TooLarge."""
    _check_media_type(request, model.media_types)
    content, more = bytearray(), True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        content += message.get("body", b"")
        if len(content) > model.max_bytes:
            raise TooLarge(f"The body must not be larger than {model.max_bytes} bytes")
        more = message.get("more_body", False)
    return bytes(content)


def parsed(content: bytes, model: type[B]) -> B:
    """A body as the model. Raises Invalid."""
    if len(content) > MAX_BODY_BYTES:
        check_number(content)
    try:
        body = model.model_validate_json(content)
    except ValidationError as error:
        if error.error_count() > MAX_FAULTS:
            check_number(content)
        raise Invalid(in_body(error, content)) from None
    # Each member has a colon: without more of them than members were set, none stands twice.
    if content.count(b":") > len(body.model_fields_set):
        check_once(content)
    return body


def _check_media_type(request: Exchange, media_types: tuple[str, ...]) -> None:
    given = request.first_lines.get(b"content-type", b"")
    known = len(given) < 256 and essence_in_utf8(given.decode("latin-1")) in media_types
    coded = b"content-encoding" in request.first_lines and (
        ",".join(request.lines(b"content-encoding")).strip().lower() not in ("", "identity")
    )
    if coded or not known:
        accepted = ", ".join(media_types)
        headers = {"Accept": accepted, "Accept-Encoding": "identity"}
        if request.method == "PATCH":
            headers["Accept-Patch"] = accepted
        raise UnsupportedMediaType(
            f"Send the body as {' or '.join(media_types)}, in UTF-8, not encoded", headers=headers
        )
