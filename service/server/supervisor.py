"""The parent process of several workers."""

import os

from uvicorn.supervisors import Multiprocess


class Supervisor(Multiprocess):
    """Starts the workers, replaces dead ones, and ends them.

    Signals during the shutdown are forwarded to the workers: a second one ends their drain.
    """

    def handle_hup(self) -> None:
        """Shut down gracefully, as a single process does; uvicorn would restart the workers."""
        self.handle_term()

    def handle_ttin(self) -> None:
        """Do nothing: WORKERS sets the number of workers."""

    def handle_ttou(self) -> None:
        """Do nothing: a terminal sends this to background processes that write to it."""

    def keep_subprocess_alive(self) -> None:
        """Replace a worker that is dead or does not respond."""
        for process in self.processes:
            # Then the worker alone holds its end of the pipe, and its death during a health check
            # is noticed at once, not after the timeout.
            process.child_conn.close()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Signal all workers to end. Each keeps the listener while it serves; close it here, so
        that no client connects once all have stopped accepting.
        """
        super().terminate_all()
        for listener in self.sockets:
            listener.close()

    def join_all(self) -> None:
        """Wait for the workers to end."""
        for process in self.processes:
            while process.exitcode is None:
                process.process.join(0.1)
                while self.signal_queue:
                    number = self.signal_queue.pop(0)
                    for other in self.processes:
                        if other.exitcode is None and other.pid is not None:
                            os.kill(other.pid, number)
