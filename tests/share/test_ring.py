"""The encoder for any ring is trained from a cohort of bands, written whole and read as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from cpep.config.schema import OptimConfig
from cpep.data.ring import PLACES, TIMES, VALUES, Ring
from cpep.models.ring import RingEncoder, RingSizes
from cpep.share import ring
from cpep.simulate.band_cohort import Worn, write_worn
from cpep.types import UserError


def worn(channels: int) -> Worn:
    """Return three seconds of a band on somebody who does nothing that makes sense."""
    rng = np.random.default_rng(channels)
    around = Ring(tuple(2 * np.pi * np.arange(channels) / channels), "raw", turn_known=True)
    bins_K3C = rng.gamma(1.0, size=(60, 3, channels)).astype(np.float32)
    pose_SJ, drive_KV = rng.random((300, 20), dtype=np.float32), rng.random((60, 24), dtype=np.float32)
    return Worn(around, bins_K3C, np.array([40, 20]), pose_SJ, drive_KV, np.zeros(60, int))


def test_an_encoder_comes_from_a_cohort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ring, "BANDS_AT_ONCE", 2)
    monkeypatch.setattr(ring, "WINDOWS_OF_EACH", 4)
    for channels in (4, 7):
        write_worn(worn(channels), tmp_path / "cohort" / f"{channels}.npz")
    few = OptimConfig(steps=20, lr=5e-3)
    ring.train(tmp_path / "cohort", tmp_path / "ring", few, few)
    (first, last) = re.findall(r"alignment: loss ([\d.]+) at first, ([\d.]+) at last", capsys.readouterr().out)[0]
    assert float(last) < float(first)
    encoder = ring.load_ring(tmp_path / "ring")
    assert encoder.sizes.out == 128 and not encoder.training


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": 0}, "heads: expected an integer >= 1"),
        ({"heads": 3}, "3 heads do not divide width 8"),
        ({"width": 10**9, "heads": 1}, "a larger model than"),
        ({"width": -16}, "width: expected an integer >= 1"),
        ({"depth": 10**9}, "depth: expected an integer <= 1000"),
        ({"depth": 2}, "not there"),
        ({"out": "8"}, "out: expected an integer, got a text"),
        ({"odd": 1}, "has a field odd"),
    ],
)
def test_sizes_that_do_not_fit_the_weights_are_a_sentence(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    ring.save_ring(RingEncoder(RingSizes(TIMES, VALUES, PLACES, out=8, width=8, depth=1, heads=2)), tmp_path / "ring")
    plain = json.loads((tmp_path / "ring" / "ring.json").read_text())
    older = {name: value for name, value in plain.items() if name not in ("sum", "weights")}
    (tmp_path / "ring" / "ring.json").write_text(json.dumps(older | change))
    with pytest.raises(UserError, match=said):
        ring.load_ring(tmp_path / "ring")


def test_weights_are_read_as_they_were_to_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = RingEncoder(RingSizes(TIMES, VALUES, PLACES, out=8, width=32, depth=1)).eval()
    ring.save_ring(encoder, tmp_path / "ring")
    other = ring.load_ring(tmp_path / "ring")
    token_BSCV, place_CP = torch.randn(3, TIMES, 5, VALUES), torch.randn(5, PLACES)
    torch.testing.assert_close(encoder(token_BSCV, place_CP), other(token_BSCV, place_CP), atol=5e-3, rtol=0)
    path = tmp_path / "ring" / "ring.safetensors"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(UserError, match=r"ring\.safetensors is damaged: its content does not fit its checksum"):
        ring.load_ring(tmp_path / "ring")
    path.write_bytes(sound)
    plain = json.loads((tmp_path / "ring" / "ring.json").read_text())
    (tmp_path / "ring" / "ring.json").write_text(json.dumps(plain | {"out": 9}))
    with pytest.raises(UserError, match=r"ring\.json is damaged"):
        ring.load_ring(tmp_path / "ring")
