"""Read the settings from the environment, and report all faults at once.

`NAME_FILE=/run/secrets/name` reads a variable from a file, as containers pass secrets.
"""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .settings import SettingsError

S = TypeVar("S", bound=BaseModel)


def read(kind: type[S]) -> S:
    """Return settings of that kind from the environment. Raises SettingsError with all faults."""
    values, faults = _given(kind)
    try:
        settings = kind.model_validate(values)
        if not faults:
            return settings
    except ValidationError as error:
        for fault in error.errors():
            faults.setdefault(str(fault["loc"][0]).upper(), _said(fault))
    raise SettingsError("\n".join(f"{variable}: {fault}" for variable, fault in faults.items()))


def _given(kind: type[BaseModel]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values of variables that are set and not empty, themselves or as NAME_FILE, and
    the faults of unusable files.
    """
    values: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name in kind.model_fields:
        variable = name.upper()
        if value := os.environ.get(variable):
            values[name] = value
        path = os.environ.get(f"{variable}_FILE")
        if not path:
            continue
        if value:
            faults[variable] = f"given twice, as {variable} and as {variable}_FILE"
            continue
        try:
            # Editors add a newline at the end.
            values[name] = Path(path).read_text("utf-8").rstrip("\r\n")
            if not values[name]:
                faults[variable] = f"the file of {variable}_FILE is empty"
        except OSError as error:
            faults[variable] = f"the file of {variable}_FILE cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            faults[variable] = f"the file of {variable}_FILE is not UTF-8"
    return values, faults


def _said(fault: ErrorDetails) -> str:
    match fault["type"]:
        case "missing":
            return "must be set"
        case "too_short":
            return f"must have {fault['ctx']['min_length']} characters at least"
        case _:
            return fault["msg"].removeprefix("Value error, ")
