"""Images without a container engine: buildah builds them in a folder, and what is in them runs in
namespaces of its own.

The base image is Debian's Python, made with debootstrap from the mirror that the machine itself
uses, for want of a registry of images. It is kept outside of the repository, because making it
takes most of a minute. What lets pip reach its index from within (authorities, pip's settings) is
laid over it for one run, and is no part of what is kept.
"""

import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CACHE = Path("/var/cache/task-service")
PACKAGES = "ca-certificates,python3,python3-venv"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_SETTINGS = {"index-url", "extra-index-url", "proxy", "timeout", "trusted-host"}
BASE = "localhost/base"

CONTAINER = """
set -eu
root=$1 user=$2 socket=$3; shift 3
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o size=16m,mode=1777,noexec,nosuid,nodev tmpfs "$root/tmp"
if [ -n "$socket" ]; then touch "$root/tmp/${socket##*/}"; mount --bind "$socket" "$root/tmp/${socket##*/}"; fi
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --bounding-set=-all \\
    --inh-caps=-all -- "$@"
"""
"""What an engine does with --read-only, --tmpfs, --cap-drop ALL and no-new-privileges; a socket of
PostgreSQL comes to /tmp.
"""


def run(*argv: str | Path, **options: Any) -> str:
    """The standard output of a command, which must succeed."""
    done = subprocess.run(argv, capture_output=True, check=False, **options)
    output: str = done.stdout.decode()
    said: str = done.stderr.decode()
    assert done.returncode == 0, f"{argv[0]}: {output[-3000:]}{said[-3000:]}"
    return output


class Engine:
    """Images in a folder that is thrown away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buildah("from", "--name", "base", "scratch")
        self._buildah("add", "-q", "base", _archive(), "/")
        settings = folder / "pip.conf"
        settings.write_text("[global]\n" + "".join(f"{line}\n" for line in _pip_settings()))
        self._buildah("copy", "-q", "base", settings, "/etc/pip.conf")
        self._buildah("copy", "-q", "base", AUTHORITIES, AUTHORITIES)
        self._buildah("commit", "-q", "--rm", "base", BASE)

    def build(self, context: Path, name: str, timestamp: int, **arguments: str) -> "Image":
        """Build a context's Dockerfile; none of its layers is taken from an earlier build."""
        given = [f"--build-arg={key}={value}" for key, value in {"BASE": BASE, **arguments}.items()]
        built = [
            "--isolation=chroot",
            "--format=docker",
            "--no-cache",
            f"--timestamp={timestamp}",
            f"--tag={name}",
        ]
        self._buildah("build", "-q", *built, *given, context)
        return Image(self, name)

    def inspect(self, name: str) -> dict[str, Any]:
        """What an engine knows of an image: its configuration, history and layers."""
        found: dict[str, Any] = json.loads(self._buildah("inspect", "--type=image", name))["Docker"]
        return found

    def save(self, name: str) -> Path:
        """A folder with the image as a registry would get it: files named by their SHA-256."""
        folder = self._folder / name.replace("/", "-")
        self._buildah("push", "-q", name, f"dir:{folder}")
        return folder

    @contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        """The image's file system."""
        container = self._buildah("from", "--pull-never", name).strip()
        try:
            yield Path(self._buildah("mount", container).strip())
        finally:
            self._buildah("rm", container)

    def _buildah(self, *arguments: str | Path) -> str:
        place = [
            f"--root={self._folder / 'store'}",
            f"--runroot={self._folder / 'run'}",
            "--storage-driver=vfs",
        ]
        return run("buildah", *place, *arguments)


@dataclass(frozen=True)
class Image:
    """An image that was built."""

    engine: Engine
    name: str

    @cached_property
    def about(self) -> dict[str, Any]:
        """See Engine.inspect."""
        return self.engine.inspect(self.name)

    @property
    def config(self) -> dict[str, Any]:
        """User, Env, Entrypoint, Cmd, Labels and so on."""
        config: dict[str, Any] = self.about["config"]
        return config

    @property
    def layers(self) -> list[str]:
        """The SHA-256 of each layer's content, the base's first."""
        layers: list[str] = self.about["rootfs"]["diff_ids"]
        return layers

    @cached_property
    def top(self) -> Path:
        """The topmost layer as it goes over the wire: a compressed tar file."""
        folder = self.engine.save(self.name)
        manifest = json.loads((folder / "manifest.json").read_text())
        digest: str = manifest["layers"][-1]["digest"]
        return folder / digest.removeprefix("sha256:")

    def files(self) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        """Everything in the topmost layer, with its content."""
        with tarfile.open(self.top) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                yield member, file.read() if file else b""

    @contextmanager
    def container(self) -> Iterator["Container"]:
        """A place to run it in."""
        with self.engine.mounted(self.name) as root:
            yield Container(root, self.config)


@dataclass(frozen=True)
class Container:
    """An image's file system and configuration, to run commands in as an engine would."""

    root: Path
    config: Mapping[str, Any]

    def start(
        self,
        *command: str,
        entrypoint: bool = True,
        user: str = "",
        socket: str = "",
        variables: Mapping[str, str] = {},
    ) -> subprocess.Popen[str]:
        """A process, as number 1 of its own: read-only, without capabilities, with /tmp and the
        machine's network.

        `socket` is PostgreSQL's on the outside. What is returned has the process within as its only
        child: see `end`.
        """
        environment = dict(pair.split("=", 1) for pair in self.config["Env"]) | dict(variables)
        within = [
            *(self.config["Entrypoint"] if entrypoint else []),
            *(command or self.config["Cmd"]),
        ]
        within = [
            "/usr/bin/env",
            "-i",
            *(f"{name}={value}" for name, value in environment.items()),
            *within,
        ]
        unshare = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", CONTAINER, "sh"]
        return subprocess.Popen(
            [*unshare, str(self.root), user or self.config["User"], socket, *within],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **options: Any) -> tuple[int, str]:
        """The exit status of a command that ends by itself, and what it said."""
        process = self.start(*command, **options)
        output, _ = process.communicate()
        return process.returncode, output


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    """Send the signal to the process within, unless it is gone; its exit status, and what it said.

    Not to the one outside: that its end is the other's too does not survive the change of uid.
    """
    if process.poll() is None:
        within = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(within[0]), number)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def _archive() -> Path:
    """The base's file system as a tar file; made at the first call on a machine, in some 45
    seconds.
    """
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    archive = CACHE / f"base-{suite}-{platform.machine()}.tar"
    if not archive.exists():
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            root, whole = Path(scratch, "root"), Path(scratch, "base.tar")
            run(
                "debootstrap",
                "--variant=minbase",
                f"--include={PACKAGES}",
                suite,
                root,
                _mirror(suite),
            )
            run(
                "tar",
                "-C",
                root,
                "--exclude=./var/cache/apt/*",
                "--exclude=./var/lib/apt/lists/*",
                "-cf",
                whole,
                ".",
            )
            whole.rename(archive)
    return archive


def _mirror(suite: str) -> str:
    """Return the mirror of that suite's packages on this machine."""
    targets = run(
        "apt-get",
        "indextargets",
        "--no-release-info",
        "--format",
        "$(RELEASE) $(COMPONENT) $(REPO_URI)",
    )
    found = [
        line.split()[2] for line in targets.splitlines() if line.split()[:2] == [suite, "main"]
    ]
    assert found, f"apt has no source of {suite}"
    return found[0]


def _pip_settings() -> list[str]:
    """The machine's settings that lead to an index; those that lead to its own disk mean nothing in
    an image.
    """
    listed = run(
        sys.executable,
        "-m",
        "pip",
        "config",
        "list",
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    pairs = (line.partition("=") for line in listed.splitlines())
    settings = {name.rpartition(".")[2]: value.strip("'") for name, _, value in pairs}
    return [
        f"{name} = {value}"
        for name, value in settings.items()
        if name in PIP_SETTINGS and "file:" not in value
    ]
