"""The rules of the house, as far as a program can check them."""

import ast
import re
from pathlib import Path

import pytest

from service.db import SQL
from service.db.statements import load

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "service").rglob("*.py"))
TESTS = sorted(
    path
    for path in (ROOT / "tests").rglob("test_*.py")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)

STATEMENT = re.compile(
    r"\s*(SELECT|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|WITH\s+\w+\s+AS|CREATE|ALTER|DROP|LOCK)\s",
    re.IGNORECASE,
)

GLOBAL_STATEMENTS = {
    "check/code",
    "check/columns",
    "check/constraints",
    "check/expressions",
    "check/functions",
    "check/indexes",
    "check/server",
    "check/settings",
    "check/tables",
    "check/types",
    "migrate/forget",
    "migrate/lock",
    "migrate/lock_timeout",
    "migrate/record",
    "pool/probe",
    "schema/applied",
    "schema/ping",
    "schema/server",
}

# From the top down: a room imports from those below it and from itself, never from one above.
ROOMS = (
    *(
        "__main__",
        "app",
        "serving",
        "resources",
        "ops",
        "dev",
        "contract",
        "layers",
        "server",
        "auth",
    ),
    *(
        "web",
        "migrate",
        "check",
        "db",
        "environment",
        "settings",
        "owner",
        "database_url",
        "origins",
    ),
)


def room(module: Path) -> str:
    return module.relative_to(ROOT / "service").with_suffix("").parts[0]


def imports(module: Path) -> set[str]:
    """The rooms that a module imports from, its own left out."""
    package = module.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + tuple(
                filter(None, [*(node.module or "").split(".")])
            )
            found |= {(*base, alias.name)[1] for alias in node.names}
    return found - {room(module), "__version__"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(module: Path) -> None:
    """A room imports only from the rooms below it."""
    if room(module) != "__init__":
        assert imports(module) <= set(ROOMS[ROOMS.index(room(module)) + 1 :])


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_in_python(module: Path) -> None:
    """SQL lives in sql/ and migrations/, never in a string of Python."""
    tree = ast.parse(module.read_text())
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if hasattr(node, "body") and _is_text(node.body)
    }
    constants = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in docstrings
    ]
    texts = [node.value for node in constants if isinstance(node.value, str)]
    assert [text for text in texts if STATEMENT.match(text)] == []


def _is_text(body: object) -> bool:
    """Whether a body begins with a docstring."""
    return isinstance(body, list) and bool(body) and isinstance(body[0], ast.Expr)


def test_owners_are_minted_in_one_place() -> None:
    """Only a verified token becomes an OwnerId: one call in the whole service."""
    minting = [
        str(module.relative_to(ROOT))
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "OwnerId"
    ]
    assert minting == ["service/auth/tokens.py"]


def test_statements_without_an_owner_are_these() -> None:
    """Statements that are nobody's are few, known by name, and each says why."""
    found = {
        name: statement.header.global_because
        for name, statement in load(SQL).items()
        if statement.header.global_because
    }
    assert found.keys() == GLOBAL_STATEMENTS


@pytest.mark.parametrize("module", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_state_a_fact(module: Path) -> None:
    """Each test says in a docstring what fact it states."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            assert ast.get_docstring(node), node.name
