"""The rules of the house, as far as a program can check them."""

import ast
import contextlib
import importlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

from service.db.statements import shipped

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "service").rglob("*.py"))
_OF_TESTS = sorted(
    path
    for path in (ROOT / "tests").rglob("*.py")
    if not any(part.startswith((".", "node_modules")) for part in path.relative_to(ROOT).parts)
)
TESTS = [path for path in _OF_TESTS if path.name.startswith("test_")]
HELPERS = [path for path in _OF_TESTS if path not in TESTS]

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
        "fair_queue",
        "database_url",
        "database_tls",
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


def test_imports_run_one_way() -> None:
    """A room imports only from the rooms below it."""
    assert {
        str(module.relative_to(ROOT)): above
        for module in MODULES
        if room(module) != "__init__"
        and (above := imports(module) - set(ROOMS[ROOMS.index(room(module)) + 1 :]))
    } == {}


def test_no_sql_in_python() -> None:
    """SQL lives in sql/ and migrations/, never in a string of Python."""
    assert [
        f"{module.relative_to(ROOT)}:{line}" for module in MODULES for line in _statements(module)
    ] == []


def _statements(module: Path) -> Iterator[int]:
    """The lines of a module where a text begins like a statement, docstrings left out."""
    tree = ast.parse(module.read_text())
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if hasattr(node, "body") and _is_text(node.body)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or node in docstrings:
            continue
        if isinstance(node.value, str) and STATEMENT.match(node.value):
            yield node.lineno


def _is_text(body: object) -> bool:
    """Whether a body begins with a docstring."""
    return isinstance(body, list) and bool(body) and isinstance(body[0], ast.Expr)


def test_owner_ids_are_made_in_one_place() -> None:
    """Only a verified token becomes an OwnerId: one call in the whole service."""
    minting = [
        str(module.relative_to(ROOT))
        for module in MODULES
        if "OwnerId(" in (text := module.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "OwnerId"
    ]
    assert minting == ["service/auth/tokens.py"]


def test_statements_without_an_owner_are_listed() -> None:
    """Statements without owner are few, listed by name, and each has a reason."""
    found = {
        name: statement.header.global_because
        for name, statement in shipped().items()
        if statement.header.global_because
    }
    assert found.keys() == GLOBAL_STATEMENTS


def test_each_test_has_a_docstring() -> None:
    """Each test says in a docstring what fact it states."""
    assert [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module in TESTS
        for node in _collected(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ] == []


def _collected(tree: ast.Module) -> Iterator[ast.stmt]:
    """What pytest looks at in a module: its statements, and those of its classes."""
    for node in tree.body:
        yield node
        if isinstance(node, ast.ClassDef):
            yield from node.body


def test_no_test_module_is_imported() -> None:
    """What several tests need stands beside them in a helper: no test module is imported."""
    assert [
        f"{module.relative_to(ROOT)}: {found}"
        for module in [*TESTS, *HELPERS]
        for found in re.findall(r"(?m)^ *(?:from|import) +(?:[\w.]*\.)?test_.*", module.read_text())
    ] == []


def test_tests_look_at_sessions_of_their_own_database_alone() -> None:
    """Processes of a run may share a server: a query that sees, or ends, all sessions or waits of
    it names its database.
    """
    assert [
        f"{module.relative_to(ROOT)}:{node.lineno}"
        for module in [*TESTS, *HELPERS]
        if "check" not in module.relative_to(ROOT).parts  # statements there are judged, not run
        and re.search("pg_stat_activity|pg_locks", module.read_text())
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant | ast.JoinedStr)
        and re.search(r"FROM pg_(stat_activity|locks)\b", text := ast.unparse(node))
        and "datname" not in text
    ] == []


def test_patterns_match_alike_in_all_versions_of_python() -> None:
    """No regular expression has possessive repetitions or atomic groups: before Python 3.11.5, and
    Debian 12 has 3.11.2, they may match wrongly (CPython's issue 106052).
    """
    patterns = {
        f"{name}.{constant}": value
        for name in map(_name_of, MODULES)
        for constant, value in vars(importlib.import_module(name)).items()
        if isinstance(value, re.Pattern)
    }
    assert "service.db.scanner._TOKEN" in patterns
    assert [name for name, pattern in patterns.items() if _is_possessive(pattern)] == []


def _name_of(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _is_possessive(pattern: re.Pattern[str] | re.Pattern[bytes]) -> bool:
    with contextlib.redirect_stdout(io.StringIO()) as parsed:
        re.compile(pattern.pattern, pattern.flags | re.DEBUG)
    return re.search("POSSESSIVE_REPEAT|ATOMIC_GROUP", parsed.getvalue()) is not None
