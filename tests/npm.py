"""Packages from npm by a lock file: installed once, and kept beside Python's."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = ("package.json", "package-lock.json")


def installed(project: Path, into: Path) -> None:
    """Give the folder `into` the packages of `project`, and a copy of its two files."""
    modules = _kept(project)
    for name in FILES:
        shutil.copy(project / name, into)
    (into / "node_modules").symlink_to(modules)


def _kept(project: Path) -> Path:
    """The packages of the project's lock file, downloaded on first use."""
    digest = hashlib.sha256(b"".join((project / name).read_bytes() for name in FILES)).hexdigest()
    home = Path(sys.prefix) / "npm"
    kept = home / digest[:16]
    if not kept.exists():
        assert shutil.which("npm"), "npm is missing; on Debian: apt-get install nodejs npm"
        home.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, ignore_cleanup_errors=True) as scratch:
            for name in FILES:
                shutil.copy(project / name, scratch)
            install = ("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
            subprocess.run(install, cwd=scratch, check=True, capture_output=True)
            try:
                Path(scratch).rename(kept)
            except OSError:  # another process was quicker
                assert kept.exists()
    return kept / "node_modules"
