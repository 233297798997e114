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
from typing import Union

Value = Union["Node", "list[Value]", str, None]

# As the server's own reader tokenises: a backslash escapes the next character, quotes mean nothing.
_TOKEN = re.compile(r"[{}()]|(?:\\.|[^\s{}()\\])+", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_END = ""  # no token of a text is empty


class TreeError(Exception):
    """The server printed a tree that this module cannot read."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node: its kind in capitals (`QUERY`, `OPEXPR`), and its fields."""

    kind: str
    fields: dict[str, Value]

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
        return _ESCAPE.sub(r"\1", value)

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
    value = reader.value()
    if (ahead := reader.tokens[reader.position]) != _END:
        raise TreeError(f"more after the end: {ahead}")
    return value


def names(text: str) -> frozenset[str]:
    """Return the words of a text, for long lists of names."""
    return frozenset(text.split())


def walk(value: Value, *, without: str = "") -> Iterator[Node]:
    """Yield every node in a value, itself included, parents first; skip the kind `without` and all
    below it.
    """
    stack = [value]
    while stack:
        match stack.pop():
            case Node(kind=kind) as node if kind != without:
                yield node
                stack += reversed(node.fields.values())
            case list() as items:
                stack += reversed(items)
            case _:
                pass


class _Reader:
    """A recursive reader, kept fast: a plan has thousands of tokens, and tests read many plans."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, _END]
        self.position = 0

    def value(self) -> Value:
        word = self.tokens[self.position]
        self.position += 1
        if word == "{":
            return self.node()
        if word == "(":
            return self.items()
        if word == "<>":
            return None
        if word in ("}", ")", _END):
            raise TreeError(f"{word} where a value should be" if word else "the tree is cut off")
        return word

    def items(self) -> list[Value]:
        items: list[Value] = []
        while self.tokens[self.position] != ")":
            items.append(self.value())
        self.position += 1
        return items

    def node(self) -> Node:
        tokens = self.tokens
        kind = tokens[self.position]
        if kind == _END:
            raise TreeError("the tree is cut off")
        self.position += 1
        fields: dict[str, Value] = {}
        while (token := tokens[self.position]) != "}":
            if not token.startswith(":"):
                # Raw parse nodes (in utility statements) have unnamed values, which nothing needs.
                self.value()
                continue
            self.position += 1
            # The first token is the value, even if it starts with a colon. Bytes of constants and
            # arrays take more tokens.
            value = self.value() if tokens[self.position] != "}" else None
            more: list[Value] = []
            while (ahead := tokens[self.position]) not in ("}", _END) and not ahead.startswith(":"):
                more.append(self.value())
            fields[token[1:].rpartition(".")[2]] = [value, *more] if more else value
        self.position += 1
        return Node(kind, fields)
