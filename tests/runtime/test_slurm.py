"""Jobs of a cluster: the batch script, how it is sent, how a job runs here, and how it is stopped and goes on."""

import signal
import subprocess
import sys
import threading

import pytest

from cpep.cli.main import main
from cpep.runtime.slurm import Order, Work, script
from tests.synthetic import write_db1

COMMAND = ["reproduce", "--data", "my data", "--out", "runs/paper"]
ASKED = ["--nodes", "2", "--gpus", "4", "--cpus", "6", "--hours", "1.5", "--memory", "100", "--partition", "big"]
ORDER = Order(nodes=2, gpus=4, cpus=6, hours=1.5, memory_gb=100, partition="big")


def submit(folder, *argv):
    return main(["submit", "--logs", str(folder / "jobs"), *argv])


def test_the_batch_script_asks_for_what_was_asked(tmp_path, capsys):
    assert submit(tmp_path, *ASKED, "--dry-run", "--", *COMMAND) == 0
    text = capsys.readouterr().out
    for line in ("nodes=2", "gpus-per-node=4", "ntasks-per-node=4", "cpus-per-task=6", "time=90", "partition=big"):
        assert f"#SBATCH --{line}\n" in text
    assert "--mem=102400MB" in text and "--kill-on-bad-exit" in text
    assert text.endswith("# which runs: cpep reproduce --data 'my data' --out runs/paper\n")
    assert not (tmp_path / "jobs").exists()


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A cluster that keeps the script that it is sent, and refuses a partition."""
    monkeypatch.setenv("PATH", str(tmp_path))
    body = f'#!/bin/sh\n/bin/cp "$1" {tmp_path}/sent\n'
    body += 'if /bin/grep -q wrong "$1"; then echo "invalid partition" >&2; exit 1; fi\n'
    body += "echo Submitted batch job 12\n"
    for name, text in (("sbatch", body), ("srun", "")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)


def test_the_script_that_is_shown_is_the_one_that_is_sent(tmp_path, slurm, capsys):
    assert submit(tmp_path, *ASKED, "--", *COMMAND) == 0
    assert "job 12 sent" in capsys.readouterr().out
    shown = script(COMMAND, ORDER, tmp_path / "jobs")
    assert (tmp_path / "sent").read_text().strip() == shown.rpartition("\n\n# which runs")[0]


def test_what_slurm_refuses_is_a_sentence(tmp_path, slurm, capsys):
    assert submit(tmp_path, "--partition", "wrong", "--", *COMMAND) == 2
    assert capsys.readouterr().err == "cpep: sbatch refused the job: invalid partition\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (COMMAND, "no Slurm here"),
        (["serve"], "submit runs reproduce, ablate, pretrain, align, evaluate, embed or data, not serve"),
        (["--here", "--nodes", "2", "data"], "--here has one node, not 2"),
    ],
)
def test_mistakes_are_sentences(tmp_path, monkeypatch, capsys, argv, said):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert submit(tmp_path, *([] if argv[0] == "--here" else ["--"]), *argv) == 2
    assert said in capsys.readouterr().err


def test_without_submitit_the_extra_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert submit(tmp_path, "--", *COMMAND) == 2
    assert 'pip install "cpep[cluster]"' in capsys.readouterr().err


def test_a_job_that_runs_here_gives_back_what_it_printed_or_its_mistake(tmp_path, capsys):
    raw = write_db1(tmp_path / "db1", users=1)
    assert submit(tmp_path, "--here", "--gpus", "0", "--", "data", "inspect", str(raw)) == 0
    out = capsys.readouterr().out
    assert out.startswith("ninapro_db1 in ") and "submitit" not in out
    assert submit(tmp_path, "--here", "--gpus", "0", "--", "data", "inspect", str(tmp_path / "absent")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cpep: ") and "absent" in line


CHILD = """
import signal, sys, time
def stop(*_):
    time.sleep(0.2)
    open(sys.argv[1], "w").close()
    sys.exit(1)
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
time.sleep(30)
"""


def test_a_job_that_is_cut_off_saves_its_state_and_is_the_same_command_again(tmp_path):
    work = Work(COMMAND)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path / "saved")], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    work.pid = child.pid
    delayed = []
    before = signal.signal(signal.SIGUSR2, lambda *_: delayed.append(work.checkpoint()))
    waiting = threading.main_thread().ident
    threading.Timer(0.1, lambda: signal.pthread_kill(waiting, signal.SIGUSR2)).start()
    try:
        assert child.wait() == 1  # as the job waits when the signal comes
    finally:
        signal.signal(signal.SIGUSR2, before)
    child.stdout.close()
    assert (tmp_path / "saved").exists() and delayed[0].function.argv == COMMAND
