"""Raw SQL on PostgreSQL: the statement files, the calls that run them, the pool."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def _folder(name: str) -> Path:
    """Return a folder of SQL: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


SQL = _folder("sql")
MIGRATIONS = _folder("migrations")
