"""The licences of shipped dependencies are compatible with MIT, and bind no user of the service."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PERMISSIVE = {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0"}
FILE_BY_FILE = {"MPL-2.0"}
"""Asks for the source of its own files when they are changed; ours are not among them, and none is
changed.
"""
KNOWN = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
"""yoyo's driver, for migrations: installed as it is, a package of its own that anybody can replace,
which is what LGPL asks.
"""
CLASSIFIERS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
LOCKED = [
    found
    for lock in ("otel", "assets")
    for found in re.findall(
        r"^([a-z0-9-]+)==(.*)", (ROOT / f"locks/{lock}.lock").read_text(), flags=re.MULTILINE
    )
]


def licences(name: str) -> set[str]:
    """The SPDX identifiers that a package declares, by its licence expression or else its
    classifiers.
    """
    metadata = distribution(name).metadata
    for expression in metadata.get_all("License-Expression", []):
        return set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}
    classifiers = [
        text for text in metadata.get_all("Classifier", []) if text.startswith("License ::")
    ]
    named = [text.rpartition(" :: ")[2] for text in classifiers] or metadata.get_all("License", [])
    return {CLASSIFIERS.get(text, text) for text in named}


@pytest.mark.parametrize("name", [name for name, rest in LOCKED if "== 'win32'" not in rest])
def test_each_dependency_has_a_compatible_licence(name: str) -> None:
    """Every dependency of the image has a licence that is compatible with ours; GPL is not."""
    found = licences(name)
    assert found
    assert found <= ({KNOWN[name]} if name in KNOWN else PERMISSIVE | FILE_BY_FILE)
