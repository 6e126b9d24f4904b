"""A live source is one file: ``tone.py`` beside this one, which nothing in the package knows."""

from __future__ import annotations

import pytest

import tests.seams.tone  # noqa: F401  as CPEP_PLUGINS or an entry point of the group cpep would import it
from cpep.cli.main import main
from cpep.live.sources.registry import open_source
from cpep.types import UserError


def test_a_source_from_outside_streams_like_any_other(capsys):
    assert main(["stream", "--source", "tone:80", "--speed", "0"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "tone:80: 16 channels of raw EMG at 2000 Hz in noise_sd"
    assert said[1] == "200 samples lost, 0.1 s"
    assert said[-1].startswith("3.0 s, ") and said[-1].endswith(", 200 samples lost")


def test_what_can_be_written_names_it_too():
    with pytest.raises(UserError, match=r"replay:PATH,.*, tone:HZ, FILE.py:CLASS or MODULE:CLASS"):
        open_source("tune:80")
