"""The training of a server's recordings as the page has it, without a browser."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cpep.types import UserError
from cpep.web.train_store import TrainStore
from cpep.web.trainer import NICE
from tests.web import fake_train
from tests.web.test_record_store import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stores(tmp_path):
    """A function that opens the training again, as a new server does."""
    opened = []

    def again(train=fake_train.quick, busy=lambda: ""):
        while opened:
            opened.pop().close()
        opened.append(TrainStore(tmp_path / "my recordings", tmp_path / "my.live", "lsl:my band", busy, train))
        return opened[0]

    yield again
    opened.pop().close()


@pytest.fixture
def recorded(tmp_path):
    (tmp_path / "my recordings" / "sub-anna").mkdir(parents=True)


def test_what_came_out_is_said_with_what_to_type(stores, recorded, tmp_path):
    store = stores()
    assert str(tmp_path / "my recordings") in store.asks and store.said == store.command == ""
    store.start()
    assert store.running
    until(lambda: not store.running)
    nice = min(os.nice(0) + NICE, 19)
    assert store.said == f"It told 7 of 8, nice {nice}. To put it live, end this server and type"
    assert store.lines == "one person, 8 gestures\n  step 1 of 1: all\nmore of it"
    typed = shlex.split(store.command)
    assert typed == ["cpep", "serve", str(tmp_path / "my.live"), "--source", "lsl:my band"]
    again = stores()
    assert again.command == store.command and again.said.startswith("A model was trained.")


@pytest.mark.parametrize("ignored", [False, True])  # Ctrl-C, as by a server that a shell put into the background
def test_what_was_stopped_goes_on_at_the_next_start(stores, recorded, ignored):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignored else signal.getsignal(signal.SIGINT)
    try:
        for said in ("begins", "goes on"):
            store = stores(fake_train.long)
            store.start()
            until(lambda store=store: store.lines)
            assert store.lines == store.said == said
            with pytest.raises(UserError, match="a training goes on; stop it first"):
                store.start()
            store.stop()
            assert not store.running and store.said == "The training was stopped; Train goes on from there"
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_is_missing_is_said_and_nothing_begins(stores, tmp_path):
    with pytest.raises(UserError, match="yet; make some under Record"):
        stores().start()
    (tmp_path / "my recordings" / "sub-anna").mkdir(parents=True)
    with pytest.raises(UserError, match="a recording goes on"):
        stores(busy=lambda: "a recording goes on").start()
    assert not (tmp_path / "my.live").exists()


def test_a_refusal_is_a_sentence_and_a_failure_is_told(stores, recorded, capfd):
    for train, said in ((fake_train.refused, "too few gestures"), (fake_train.broken, "has failed (exit code 1)")):
        store = stores(train)
        store.start()
        until(lambda store=store: not store.running)
        assert said in store.said and not store.command
    assert capfd.readouterr().err.count("Traceback") == 1


def test_a_training_ends_with_a_server_that_is_killed(tmp_path):
    code = (
        "import multiprocessing, os, sys; from pathlib import Path; from cpep.web.trainer import work; "
        "from tests.web.fake_train import long; context = multiprocessing.get_context('spawn'); "
        "receive, send = context.Pipe(False); out = Path(sys.argv[1]); "
        "context.Process(target=work, args=(long, out, out, send)).start(); print(receive.recv(), flush=True); "
        "os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    # Its output ends only when the last process that writes there has ended.
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40, check=False)
    assert done.stdout.strip() == "('said', 'begins')" and done.returncode == -9
