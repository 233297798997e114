"""The parent of several workers."""

import os

from uvicorn.supervisors import Multiprocess


class Supervisor(Multiprocess):
    """Start the workers, replace one that dies, and end them.

    Signals that come while it waits for the workers' end go to them: a second one hurries.
    """

    def handle_hup(self) -> None:
        """End in order, as a single process does: where a terminal is closed, nobody wants the
        workers anew.
        """
        self.handle_term()

    def handle_ttin(self) -> None:
        """Change nothing: WORKERS says how many there are."""

    def handle_ttou(self) -> None:
        """Change nothing: a terminal sends this to whatever writes in its background."""

    def keep_subprocess_alive(self) -> None:
        """Replace a worker that has died or gives no sign of life."""
        for process in self.processes:
            # Then the worker alone holds its end of the pipe, and a worker that dies while it is
            # asked for a sign of life is noticed at once, not after the whole time-out.
            process.child_conn.close()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Tell all workers to end. Each keeps the listener as long as it serves; here it is closed,
        so that nobody connects to a service that accepts no more.
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
