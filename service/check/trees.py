"""PostgreSQL's node trees, in the notation of `debug_print_rewritten` and `debug_print_plan`.

{OPEXPR :opno 98 :inputcollid 100 :args ({VAR :varno 1 :varattno 1} {PARAM :paramkind 0 :paramid
1})}

A tree names every table, column, operator and function by its number in the catalogue, so nothing
in it depends on how a name is spelt, quoted or found. Field names are prefixed with the struct they
come from in newer versions (`scan.plan.targetlist`): only the last part counts here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

Value = Union["Node", "list[Value]", str, None]

# As the server's own reader splits it: a backslash takes the next character's meaning away, quotes
# have none.
_TOKEN = re.compile(r"[{}()]|(?:\\.|[^\s{}()\\])+", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_END = ""  # no token of a text is empty


class TreeError(Exception):
    """The server printed something that is not a tree as we know it."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node: its kind in capitals (`QUERY`, `OPEXPR`), and its fields."""

    kind: str
    fields: dict[str, Value]

    def has(self, field: str) -> bool:
        """Is there such a field? Which ones there are depends on the server's version."""
        return field in self.fields

    def text(self, field: str) -> str:
        """A field that is a word; empty where the server wrote nothing."""
        value = self._field(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise TreeError(f"{self.kind}.{field} is not a word")
        return _ESCAPE.sub(r"\1", value)

    def number(self, field: str) -> int:
        """A field that is a whole number."""
        try:
            return int(self.text(field))
        except ValueError:
            raise TreeError(f"{self.kind}.{field} is not a number") from None

    def numbers(self, field: str) -> list[int]:
        """A list of numbers, or a set of them."""
        value = self._field(field)
        if value is None:
            return []
        if not isinstance(value, list):
            raise TreeError(f"{self.kind}.{field} is not a list of numbers")
        # (i 1 2), (o 1 2) and (b 1 2): integers, object identifiers, a bitmap set.
        return [int(item) for item in value[1:] if isinstance(item, str)]

    def node(self, field: str) -> Union["Node", None]:
        """The node in a field, if there is one."""
        value = self._field(field)
        if value is None or isinstance(value, Node):
            return value
        raise TreeError(f"{self.kind}.{field} is not a node")

    def nodes(self, field: str) -> list["Node"]:
        """The nodes of a list."""
        value = self._field(field)
        if value is None:
            return []
        if not isinstance(value, list):
            raise TreeError(f"{self.kind}.{field} is not a list")
        return [item for item in value if isinstance(item, Node)]

    def value(self, field: str) -> Value:
        """A field, whatever it holds; None where there is no such field."""
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
    """The words of a text: long lists of names are read as text, not as strings in quotes."""
    return frozenset(text.split())


def walk(value: Value, *, without: str = "") -> Iterator[Node]:
    """Every node in it, itself included, parents first; none of the kind `without`, nor what is
    below those.
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
    """Kept quick: a plan has thousands of tokens, and the tests read a thousand plans."""

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
                # Nodes of raw syntax (a utility statement's) have values without names; nobody asks
                # for those.
                self.value()
                continue
            self.position += 1
            # What comes first is the value, even if it starts with a colon; a constant's bytes and
            # arrays go on after it.
            value = self.value() if tokens[self.position] != "}" else None
            more: list[Value] = []
            while (ahead := tokens[self.position]) not in ("}", _END) and not ahead.startswith(":"):
                more.append(self.value())
            fields[token[1:].rpartition(".")[2]] = [value, *more] if more else value
        self.position += 1
        return Node(kind, fields)
