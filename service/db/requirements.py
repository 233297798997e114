"""What the server must be, and what its role must be allowed, said by name where it is missing."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

MIN_VERSION = 15
"""The major version of PostgreSQL that the statements are written for."""


class Unmet(NamedTuple):
    """A requirement that does not hold, in a word and in a sentence that says what to do."""

    name: Literal["version", "encoding", "locale", "rights"]
    sentence: str


def unmet(server: Mapping[str, Any]) -> Unmet | None:
    """The first requirement that a row of `schema/server` does not meet, of those of everybody."""
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
    """The first that a server does not meet whose statements are to run."""
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
    """The first that a server does not meet on which tables are to be made."""
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
    """A name as SQL has it."""
    plain = name.isascii() and name.isidentifier() and name.islower()
    return name if plain else '"' + name.replace('"', '""') + '"'
