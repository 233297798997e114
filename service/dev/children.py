"""Run PostgreSQL's programs as child processes that end with this one, however it ends."""

import ctypes
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .programs import Account, LocalPostgresError

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
INITDB_LIMIT = 120.0  # seconds
FAST_STOP, IMMEDIATE_STOP = 10.0, 6.0  # seconds; PostgreSQL itself kills its children after 5


def spawn(
    command: Sequence[str], folder: Path, account: Account | None, log: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a program in the folder, as that account, with the log as stdout and stderr. Raises
    LocalPostgresError.
    """
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of a fork with threads; between fork and exec this child makes only
            # two system calls.
            warnings.filterwarnings(
                "ignore", "This process .* is multi-threaded", DeprecationWarning
            )
            return subprocess.Popen(  # noqa: S603
                command,
                cwd=folder,
                env={"PATH": os.defpath},  # without the caller's PGDATA, PGPORT, PGOPTIONS
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for this process, which may need the database to finish
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=_die_with_parent() if LINUX else None,  # noqa: PLW1509 - see above
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise LocalPostgresError(f"cannot run {command[0]}: {error}") from error


def _die_with_parent() -> Callable[[], None]:
    """Return the child's last step before exec: after the change of account, which would clear
    PDEATHSIG.
    """
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
    # Quick; the log is replayed at the next start
    wish = ctypes.c_int(PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGQUIT)

    def in_child() -> None:
        # The parent may have died before prctl
        if prctl(*wish) != 0 or os.getppid() != parent:
            os._exit(1)

    return in_child


@contextmanager
def watched(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """Without PDEATHSIG, let a shell wait on a pipe that closes when this process ends."""
    if LINUX:
        yield
        return
    command = ["/bin/sh", "-c", 'read -r _; kill -QUIT "$0"', str(server.pid)]
    with subprocess.Popen(  # noqa: S603 - no part of it is a client's
        command, stdin=subprocess.PIPE, start_new_session=True
    ) as watcher:
        try:
            yield
        finally:
            watcher.kill()


def run(command: Sequence[str], folder: Path, account: Account | None, log: BinaryIO) -> None:
    """Run a program to its end, and end everything it started. Raises LocalPostgresError."""
    process = spawn(command, folder, account, log)
    try:
        status: object = process.wait(INITDB_LIMIT)
    except subprocess.TimeoutExpired:
        status = f"none after {INITDB_LIMIT:.0f} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status != 0:
        raise LocalPostgresError(
            f"{command[0]} failed (status {status}); the end of {log.name}:\n{tail(log)}"
        )


def stop(server: subprocess.Popen[bytes]) -> None:
    """Shut down fast; immediately if that takes too long; by SIGKILL if that does too, or on a
    second Ctrl-C.
    """
    try:
        for request, patience in ((signal.SIGINT, FAST_STOP), (signal.SIGQUIT, IMMEDIATE_STOP)):
            server.send_signal(request)
            with suppress(subprocess.TimeoutExpired):
                server.wait(patience)
                return
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def tail(log: BinaryIO) -> str:
    """Return the log's last lines."""
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-15:])
