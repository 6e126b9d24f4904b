"""A cpep command as a Slurm job, one rank a GPU, by submitit (extra ``cluster``)."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpep.types import UserError

if TYPE_CHECKING:
    from submitit import Job
    from submitit.helpers import DelayedSubmission

REQUEUES = 1000
"""A job that was cut off by its time limit is queued again at most this often."""
ALL_END = "--kill-on-bad-exit=1"
"""Makes srun end all ranks when one fails: the others would wait for it."""


@dataclass(frozen=True)
class Order:
    """The resources that a job asks of the cluster.

    Attributes:
        nodes: machines.
        gpus: of a node, one rank each; 0 for one rank a node on its processor.
        cpus: cores of a rank.
        hours: time limit, after which the job is queued again and goes on.
        memory_gb: of a node; 0 for the cluster's default.
        partition: of the cluster; empty for its default.
    """

    nodes: int = 1
    gpus: int = 1
    cpus: int = 8
    hours: float = 24.0
    memory_gb: float = 0.0
    partition: str = ""

    def parameters(self) -> dict[str, Any]:
        """Return the order as parameters of submitit."""
        asked: dict[str, Any] = {
            "nodes": self.nodes,
            "gpus_per_node": self.gpus,
            "ntasks_per_node": max(1, self.gpus),
            "cpus_per_task": self.cpus,
            "time": max(1, round(60 * self.hours)),
            "job_name": "cpep",
            "srun_args": [ALL_END],
        }
        if self.memory_gb:
            asked["mem"] = f"{round(1024 * self.memory_gb)}MB"
        return asked | ({"partition": self.partition} if self.partition else {})


class Work:
    """One task of a job: runs a cpep command as a rank among the others.

    Args:
        argv: the command, without ``cpep``.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = list(argv)
        self.pid = 0

    def __call__(self) -> None:
        """Run the command with the variables by which ranks find each other.

        Raises:
            UserError: it failed; why is in the log.
        """
        from submitit.helpers import TorchDistributedEnvironment

        TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        child = subprocess.Popen([sys.executable, "-m", "cpep", *self.argv])
        self.pid = child.pid
        if status := child.wait():
            raise UserError(f"cpep {shlex.join(self.argv)} ended with status {status}; its log says why")

    def checkpoint(self) -> DelayedSubmission:
        """Stop the command, which saves its state, and return the same command: it goes on from there.

        submitit calls this in a handler of a signal, before the time limit or where the job must make room.
        """
        from submitit.helpers import DelayedSubmission

        with suppress(ProcessLookupError, ChildProcessError):  # it had ended
            os.kill(self.pid, signal.SIGINT)
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)  # Popen.wait, interrupted, holds its lock
        return DelayedSubmission(Work(self.argv))


def script(argv: Sequence[str], order: Order, logs: Path) -> str:
    """Return the batch script of a command."""
    executor = _slurm(order, logs, anywhere=True)
    text: str = executor._make_submission_file_text(executor._submitit_command_str, "")
    return f"{text.rstrip()}\n\n# which runs: cpep {shlex.join(argv)}"


def send(argv: Sequence[str], order: Order, logs: Path) -> str:
    """Send a command to Slurm and say which job it is.

    Raises:
        UserError: there is no Slurm, or it refuses the job.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise UserError("no Slurm here (sbatch and srun are not found); run this where jobs are sent from")
    try:
        with redirect_stderr(io.StringIO()):  # submitit prints what it raises
            job = _slurm(order, logs).submit(Work(argv))
    except (FailedJobError, FailedSubmissionError) as error:
        raise UserError(f"sbatch refused the job: {' '.join(str(error).split())}") from error
    return f"job {job.job_id} sent; it writes {job.paths.stdout} and {job.paths.stderr}"


def run_here(argv: Sequence[str], order: Order, logs: Path) -> str:
    """Run a command on this machine as it would run as a job, and return what it printed.

    Raises:
        UserError: it failed; the sentence is the last one that it printed.
    """
    from submitit import LocalExecutor

    if order.nodes > 1:
        raise UserError(f"--here has one node, not {order.nodes}")
    executor = LocalExecutor(logs, max_num_timeout=REQUEUES)
    tasks = max(1, order.gpus)
    executor.update_parameters(timeout_min=60 * order.hours, gpus_per_node=order.gpus, tasks_per_node=tasks)
    job: Job[None] = executor.submit(Work(argv))
    try:
        job.wait()
    except KeyboardInterrupt:
        job.cancel()
        raise
    ranks = [job.task(index) for index in range(tasks)]
    if all(rank.exception() is None for rank in ranks):
        return "\n".join(line for line in (job.stdout() or "").splitlines() if not line.startswith("submitit "))
    said = [line for rank in ranks for line in (rank.stderr() or "").splitlines() if line.startswith("cpep: ")]
    raise UserError(said[-1].removeprefix("cpep: ") if said else f"the job failed; see {job.paths.stderr}")


def require_extra() -> None:
    """Check that submitit is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise UserError('submit needs submitit; install it with pip install "cpep[cluster]"') from error


def _slurm(order: Order, logs: Path, *, anywhere: bool = False) -> Any:
    """Return submitit's executor; with ``anywhere`` one that only writes the script and needs no Slurm."""
    from submitit import SlurmExecutor

    class Writer(SlurmExecutor):
        @classmethod
        def affinity(cls) -> int:
            return 1

    executor = (Writer if anywhere else SlurmExecutor)(logs, max_num_timeout=REQUEUES)
    executor.update_parameters(**order.parameters())
    return executor
