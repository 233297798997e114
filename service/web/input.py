"""Reading what the client sent: path ids, query, body. Whatever is wrong becomes one Invalid with all of it."""

import re
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request

from .problems import Invalid, TooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 64 * 1024
"""Room for the longest title and description with every character written as \\uXXXX\\uXXXX."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

# RFC 9562, section 4: hyphens in their places or none at all, either case.
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE | re.ASCII)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Body(BaseModel):
    """A JSON object in which every member is known and of its very type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Query(BaseModel):
    """Query parameters; those that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise PydanticCustomError("nul_character", "Must not contain the character U+0000")
    return text


def _not_blank(text: str) -> str:
    if text.isspace():
        raise PydanticCustomError("blank", "Must not be only white space")
    return text


def _whole(text: object) -> object:
    if isinstance(text, str) and not _WHOLE_NUMBER.fullmatch(text):
        raise PydanticCustomError("whole_number", "Must be a whole number, in decimal digits")
    return text


def _true_or_false(text: object) -> object:
    if isinstance(text, str):
        if text not in ("true", "false"):
            raise PydanticCustomError("boolean", "Must be `true` or `false`")
        return text == "true"
    return text


NO_NUL = AfterValidator(_no_nul)
NOT_BLANK = AfterValidator(_not_blank)
WholeNumber = Annotated[int, BeforeValidator(_whole)]
Truth = Annotated[bool, BeforeValidator(_true_or_false)]

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)


def uuid_of(request: Request, name: str) -> UUID:
    """A path parameter that is a UUID. Raises Invalid."""
    text = request.path_params[name]
    if not _UUID.fullmatch(text):
        raise Invalid([{"parameter": name, "detail": "Must be a UUID", "code": "uuid"}])
    return UUID(text)


def query_of(request: Request, model: type[Q]) -> Q:
    """The query parameters that the model knows. Raises Invalid."""
    given = request.query_params
    errors = [
        {"parameter": name, "detail": "Must be given once", "code": "repeated"}
        for name in model.model_fields
        if len(given.getlist(name)) > 1
    ]
    if errors:
        raise Invalid(errors)
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        raise Invalid([{"parameter": str(fault["loc"][0]), **_said(fault)} for fault in error.errors()]) from None


async def body_of(request: Request, model: type[B], *media_types: str) -> B:
    """The body as the model. Raises UnsupportedMediaType, TooLarge or Invalid."""
    _check_media_type(request, media_types)
    content = await _read(request)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        faults = error.errors()
        raise Invalid([{"pointer": _pointer(fault["loc"]), **_said(fault)} for fault in faults]) from None


def _check_media_type(request: Request, media_types: tuple[str, ...]) -> None:
    essence, _, parameters = request.headers.get("content-type", "").partition(";")
    name, _, charset = parameters.strip().lower().partition("=")
    # JSON is UTF-8 (RFC 8259, section 8.1); saying so is harmless, saying otherwise is not.
    utf8 = not name or name.strip() != "charset" or charset.strip().strip('"') == "utf-8"
    if essence.strip().lower() not in media_types or not utf8:
        raise UnsupportedMediaType(f"Send the body as {' or '.join(media_types)}, in UTF-8")


async def _read(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge(f"The body must not be larger than {MAX_BODY_BYTES} bytes")
    return bytes(content)


def _pointer(location: tuple[int | str, ...]) -> str:
    """RFC 6901; the empty pointer is the whole document."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


def _said(fault: ErrorDetails) -> dict[str, str]:
    """The rule that was broken, without what was sent."""
    messages = {
        "extra_forbidden": "Is not a member of this document",
        "missing": "Must be given",
        "json_invalid": "Must be JSON",
        "int_parsing": "Must be a whole number, in decimal digits",
    }
    return {"detail": messages.get(fault["type"], fault["msg"]), "code": fault["type"]}
