"""Read the docstrings of classes' members: their descriptions in the contract.

pydantic can do that as it makes a class. That took a ninth of each start, and few processes are
ever asked for the contract.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel

_BASES = {*BaseModel.__mro__, *dict.__mro__}


def docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings of a class's members by name, inherited ones included."""
    found: dict[str, str] = {}
    for parent in reversed(kind.__mro__):
        if parent not in _BASES:
            found |= _by_class(parent.__module__)[parent.__name__]
    return found


@cache
def _by_class(module: str) -> Mapping[str, Mapping[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: dict(_members(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _members(kind: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(kind.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(doc))),
            ):
                yield name, inspect.cleandoc(doc)
