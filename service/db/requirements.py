"""The requirements on the server and on the privileges of the role."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

MIN_VERSION = 15
"""The major version of PostgreSQL that the statements are written for."""


class Unmet(NamedTuple):
    """An unmet requirement: a short name, and a sentence with the cure."""

    name: Literal["version", "encoding", "locale", "rights"]
    sentence: str


def unmet(server: Mapping[str, Any]) -> Unmet | None:
    """Return the first general requirement that a row of `schema/server` does not meet."""
    database, role = quoted(server["database"]), quoted(server["role"])
    if server["version"] // 10_000 < MIN_VERSION:
        version = f"{server['version'] // 10_000}.{server['version'] % 10_000}"
        return Unmet(
            "version",
            f"The server is PostgreSQL {version}; {MIN_VERSION} or later is needed.",
        )
    if server["encoding"] != "UTF8":
        return Unmet(
            "encoding",
            f"The encoding of the database {database} is {server['encoding']}; it must be UTF8."
            " Make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
        )
    if not server["folds"]:
        return Unmet(
            "locale",
            f"The locale of the database {database} knows no letters beyond ASCII, so that a search"
            " would miss words in another case. Make another one: CREATE DATABASE … LOCALE"
            " 'C.UTF-8' TEMPLATE template0.",
        )
    if server["home"] is None:
        return Unmet(
            "rights",
            f"The role {role} may use no schema of its search_path in the database {database}."
            f" Run, as the schema's owner: GRANT USAGE ON SCHEMA public TO {role};",
        )
    return None


def unmet_to_serve(server: Mapping[str, Any]) -> Unmet | None:
    """Return the first unmet requirement for running the service's statements."""
    found = unmet(server)
    if found is None and server["denied"] is not None:
        role = quoted(server["role"])
        found = Unmet(
            "rights",
            f"The role {role} lacks {server['denied']}. Run, as the tables' owner:"
            f" python -m service migrate --grant {server['role']}",
        )
    return found


def unmet_to_migrate(server: Mapping[str, Any]) -> Unmet | None:
    """Return the first unmet requirement for creating tables."""
    found = unmet(server)
    if found is None and not server["creates"]:
        home, role = quoted(server["home"]), quoted(server["role"])
        found = Unmet(
            "rights",
            f"The role {role} may not make tables in the schema {home} of the database"
            f" {quoted(server['database'])}. Run there, as the schema's owner: GRANT CREATE ON"
            f" SCHEMA {home} TO {role};",
        )
    return found


def quoted(name: str) -> str:
    """Return a name as an SQL identifier, quoted if needed."""
    plain = name.isascii() and name.isidentifier() and name.islower()
    return name if plain else '"' + name.replace('"', '""') + '"'
