"""A few of the kills of ``python -m tests.fuzz.kills``, in a process of their own, which forks."""

from __future__ import annotations

import re
import subprocess
import sys


def test_a_killed_command_that_is_given_again_ends_as_if_nothing_had_been() -> None:
    run = [sys.executable, "-m", "tests.fuzz.kills", "prepare", "bids", "--kills", "4", "--inputs", "raw"]
    done = subprocess.run(run, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^all +(\d+) +(\d+) +(\d+) +0$", done.stdout, re.MULTILINE)
    assert found is not None and int(found[1]) == int(found[3]) == 8 and int(found[2]) >= 5
