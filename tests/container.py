"""The Dockerfile, compose.yaml and the locks, as the tests read them."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]

Stage = list[tuple[str, str]]


def stages() -> list[Stage]:
    """The Dockerfile's instructions as (keyword, arguments), a list for each FROM."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        keyword, _, arguments = line.strip().partition(" ")
        if keyword == "FROM":
            found.append([])
        if keyword and found:
            found[-1].append((keyword, arguments.strip()))
    return found


def last(keyword: str) -> str:
    """The arguments of the only such instruction in the stage that ships."""
    [arguments] = [arguments for name, arguments in stages()[-1] if name == keyword]
    return arguments


def compose() -> dict[str, Any]:
    """compose.yaml with its anchors resolved and its variables not."""
    document: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
    return document


def locked(lock: str) -> set[str]:
    """The names of the packages that a lock file pins."""
    return set(
        re.findall(
            r"^([a-z0-9-]+)==", (ROOT / f"locks/{lock}.lock").read_text(), flags=re.MULTILINE
        )
    )
