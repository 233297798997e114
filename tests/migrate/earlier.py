"""Schemas of earlier days."""

import shutil
from pathlib import Path

from service.migrate.schema import files


class Upto:
    """Folders with the migrations up to one of them, as a build of that day had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, last: str) -> Path:
        folder = self.folder / last
        folder.mkdir()
        for id, file in files().items():
            if id <= last:
                for path in (file.path, file.rollback):
                    shutil.copy(path, folder)
        return folder
