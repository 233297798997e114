"""Parse PostgreSQL's node trees, as `debug_print_rewritten` and `debug_print_plan` print them.

{OPEXPR :opno 98 :inputcollid 100 :args ({VAR :varno 1 :varattno 1} {PARAM :paramkind 0 :paramid
1})}

A tree has OIDs and column numbers in place of names, so nothing in it depends on spelling, quotes
or search_path. Newer versions prefix field names with their struct (`scan.plan.targetlist`): only
the last part counts here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Union

Value = Union["Node", "list[Value]", str, None]

# As the server's own reader tokenises: a backslash escapes the next character, quotes mean nothing.
_PLAIN = r"[^\s{}()\\]"
_WORD = rf"(?:{_PLAIN}|\\.){_PLAIN}*(?:\\.{_PLAIN}*)*"
# The first word after a field's name is its value, even if it starts with a colon.
_FIELD = rf":{_WORD}\s+{_WORD}(?:\s+(?=:)|\s*(?=}}))"
_WORDS = re.compile(_WORD, re.DOTALL)
# A run of fields that are one word each, or of words that name no field, is one token: that is what
# nearly all of a tree is.
_TOKEN = re.compile(
    rf"(?:{_FIELD})+|[()}}]|\{{(?:{_WORD})?|(?:(?!:){_WORD}\s*)+|{_WORD}", re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_END = ""  # no token of a text is empty


class TreeError(Exception):
    """The server printed a tree that this module cannot read."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node: its kind in capitals (`QUERY`, `OPEXPR`), and its fields."""

    kind: str
    fields: dict[str, Value]
    children: list["Node"]
    """The nodes in its fields and in lists in these, in their order."""

    def has(self, field: str) -> bool:
        """Return whether there is such a field, which may depend on the server's version."""
        return field in self.fields

    def text(self, field: str) -> str:
        """Return a field that is a word, or "" if it is empty. Raises TreeError."""
        value = self._field(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise TreeError(f"{self.kind}.{field} is not a word")
        return _ESCAPE.sub(r"\1", value) if "\\" in value else value

    def number(self, field: str) -> int:
        """Return a field that is an integer. Raises TreeError."""
        try:
            return int(self.text(field))
        except ValueError:
            raise TreeError(f"{self.kind}.{field} is not a number") from None

    def numbers(self, field: str) -> list[int]:
        """Return a field that is a list or set of integers. Raises TreeError."""
        value = self._field(field)
        if value is None:
            return []
        if not isinstance(value, list):
            raise TreeError(f"{self.kind}.{field} is not a list of numbers")
        # (i 1 2), (o 1 2) and (b 1 2): integers, object identifiers, a bitmap set.
        return [int(item) for item in value[1:] if isinstance(item, str)]

    def node(self, field: str) -> Union["Node", None]:
        """Return the node in a field, if there is one. Raises TreeError."""
        value = self._field(field)
        if value is None or isinstance(value, Node):
            return value
        raise TreeError(f"{self.kind}.{field} is not a node")

    def nodes(self, field: str) -> list["Node"]:
        """Return the nodes of a list. Raises TreeError."""
        value = self._field(field)
        if value is None:
            return []
        if not isinstance(value, list):
            raise TreeError(f"{self.kind}.{field} is not a list")
        return [item for item in value if isinstance(item, Node)]

    def value(self, field: str) -> Value:
        """Return a field's value; None if there is no such field."""
        return self.fields.get(field)

    def _field(self, field: str) -> Value:
        try:
            return self.fields[field]
        except KeyError:
            raise TreeError(f"{self.kind} has no {field}") from None


def parse(text: str) -> Value:
    """Read one value. Raises TreeError."""
    reader = _Reader(_TOKEN.findall(text))
    value, *more = reader.values()
    if more or reader.tokens[reader.position] != _END:
        raise TreeError("more after the end")
    return value


def names(text: str) -> frozenset[str]:
    """Return the words of a text, for long lists of names."""
    return frozenset(text.split())


def walk(value: Value, *, without: str = "") -> Iterator[Node]:
    """Yield every node in a value, itself included, parents first; skip the kind `without` and all
    below it.
    """
    stack = _nodes(value)
    stack.reverse()
    while stack:
        node = stack.pop()
        if node.kind != without:
            yield node
            stack += reversed(node.children)


def _nodes(value: Value) -> list[Node]:
    """Return the outermost nodes in a value."""
    if isinstance(value, Node):
        return [value]
    return [node for item in value for node in _nodes(item)] if isinstance(value, list) else []


@lru_cache(maxsize=4096)
def _name(token: str) -> str:
    """Return a field's own name, without the struct it is in."""
    return token[1:].rpartition(".")[2]


def _split(token: str) -> list[str]:
    """Return the words of a token."""
    return _WORDS.findall(token) if "\\" in token else token.split()


def _values(words: list[str]) -> list[Value]:
    """Return the values that words stand for."""
    return [None if word == "<>" else word for word in words]


class _Reader:
    """A recursive reader, kept fast: a plan has thousands of words, and tests read many plans."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, _END]
        self.position = 0

    def values(self) -> list[Value]:
        """Read the values of one token: a node, a list, or words."""
        piece = self.tokens[self.position]
        self.position += 1
        if piece.startswith("{"):
            return [self.node(piece[1:])]
        if piece == "(":
            return [self.items()]
        if piece in ("}", ")", _END):
            raise TreeError(f"{piece} where a value should be" if piece else "the tree is cut off")
        return _values(_split(piece))

    def items(self) -> list[Value]:
        items: list[Value] = []
        while self.tokens[self.position] != ")":
            items += self.values()
        self.position += 1
        return items

    def node(self, kind: str) -> Node:
        tokens = self.tokens
        fields: dict[str, Value] = {}
        children: list[Node] = []
        while (token := tokens[self.position]) != "}":
            if not token.startswith(":"):
                # Raw parse nodes (in utility statements) have unnamed values, which nothing needs.
                self.values()
                continue
            self.position += 1
            words = _split(token)
            if len(words) > 1:  # pairs, by the token's pattern
                fields.update(zip(map(_name, words[::2]), _values(words[1::2]), strict=True))
                continue
            # Bytes of constants and arrays are more values than one. An empty array is none.
            values: list[Value] = []
            while (ahead := tokens[self.position]) != "}" and not ahead.startswith(":"):
                values += self.values()
            fields[_name(token)] = values[0] if len(values) == 1 else values or None
            children += _nodes(values)
        self.position += 1
        return Node(kind, fields, children)
