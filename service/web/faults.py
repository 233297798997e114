"""Describe a request's faults for people, with their locations.

Front ends show the texts unchanged: they are rules, without the value sent or a library's terms.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .problem_types import Fault

MAX_FAULTS = 50
"""Most faults that are listed."""
_BOM = b"\xef\xbb\xbf"


def _plain(bound: float) -> str:
    return f"{bound:d}" if isinstance(bound, int) else f"{bound:.15g}"


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


# By pydantic's types of errors. The messages of our own rules stay unchanged.
_WORDS: dict[str, str | Callable[[dict[str, Any]], str]] = {
    "bool_type": "Must be true or false",
    "extra_forbidden": "Is not a member of this document",
    "finite_number": "Must be a finite number",
    "float_type": "Must be a number",
    "greater_than": lambda context: f"Must be more than {_plain(context['gt'])}",
    "greater_than_equal": lambda context: f"Must be {_plain(context['ge'])} or more",
    "int_parsing": "Must be a whole number, in decimal digits",
    "int_type": "Must be a whole number",
    "less_than": lambda context: f"Must be less than {_plain(context['lt'])}",
    "less_than_equal": lambda context: f"Must be {_plain(context['le'])} or less",
    "list_type": "Must be a list",
    "literal_error": lambda context: f"Must be {context['expected'].replace(chr(39), '`')}",
    "missing": "Must be given",
    "model_type": "Must be an object",
    "dict_type": "Must be an object",
    "string_too_long": lambda context: f"Must be {context['max_length']} characters or fewer",
    "string_too_short": lambda context: (
        "Must not be empty"
        if context["min_length"] == 1
        else f"Must be {context['min_length']} characters or more"
    ),
    "string_type": "Must be a text",
    "too_long": lambda context: f"Must have {_items(context['max_length'])} or fewer",
    "too_short": lambda context: f"Must have {_items(context['min_length'])} or more",
    "union_tag_invalid": lambda context: (
        f"Must be {' or '.join(context['expected_tags'].replace(chr(39), '`').rsplit(', ', 1))}"
    ),
    "union_tag_not_found": "Must be given",
}


def in_body(error: ValidationError, content: bytes) -> list[Fault]:
    """Return the faults of a body, each with its pointer."""
    return [
        {"pointer": _place(fault), "detail": _detail(fault, content), "code": fault["type"]}
        for fault in _first(error)
    ]


def in_query(error: ValidationError) -> list[Fault]:
    """Return the faults of a query, each with its parameter."""
    unknown = "Is not a parameter of this list"
    return [
        {
            "parameter": str(fault["loc"][0]),
            "detail": unknown if fault["type"] == "extra_forbidden" else _detail(fault),
            "code": fault["type"],
        }
        for fault in _first(error)
    ]


def _first(error: ValidationError) -> list[ErrorDetails]:
    faults = error.errors(include_url=False, include_input=False)
    # Unknown names first: one that is misspelt is the reason why the right one is missing.
    return sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden")[:MAX_FAULTS]


def _place(fault: ErrorDetails) -> str:
    """The pointer to a fault. An object of a list is one of several kinds, and pydantic names the
    kind behind its index, where the document has nothing.
    """
    steps = ["", *fault["loc"]]
    in_document = [
        step
        for before, step in pairwise(steps)
        if not (isinstance(before, int) and isinstance(step, str))
    ]
    if fault["type"].startswith("union_tag"):
        in_document.append(fault["ctx"]["discriminator"].strip("'"))
    return pointer(in_document)


def pointer(location: Sequence[int | str]) -> str:
    """Return a JSON pointer (RFC 6901); the empty one is the whole document."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


def _detail(fault: ErrorDetails, content: bytes = b"") -> str:
    if fault["type"] == "json_invalid":
        return _not_json(content, fault["ctx"]["error"])
    words = _WORDS.get(fault["type"])
    if words is None:
        return fault["msg"].replace("Input should", "Must", 1)
    return words if isinstance(words, str) else words(fault["ctx"])


def _not_json(content: bytes, error: str) -> str:
    """Return why and where it is not JSON (RFC 8259). `error`: the parser's message."""
    if not content:
        return "Must be JSON: it is empty"
    if content.startswith(_BOM):
        return "Must be JSON: it begins with a byte order mark, U+FEFF"
    try:
        content.decode()
    except UnicodeDecodeError as found:
        line = content.count(b"\n", 0, found.start) + 1
        column = found.start - content.rfind(b"\n", 0, found.start)
        return f"Must be JSON in UTF-8: another encoding at line {line} column {column}"
    reason, separator, place = error.rpartition(" at line ")
    if "hex escape" in reason:  # most often an emoji that a client has cut in two
        reason = r"a \u escape is not whole, or is half of a surrogate pair"
    return f"Must be JSON: {reason}{separator}{place}"
