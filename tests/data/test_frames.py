from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cpep.data.recording import Recording
from cpep.data.resample import frame_ratio, resample_anchor
from cpep.data.store.frames import block_end, block_power
from cpep.types import UserError
from tests.data.samples import emg2pose_like


def test_block_power_is_causal_where_blocks_are_no_whole_samples() -> None:
    rng = np.random.default_rng(0)
    emg_TC = rng.normal(size=(1000, 2)).astype(np.float32)
    power_KC = block_power(emg_TC, 250.0)
    assert len(power_KC) == 16
    for k in range(16):
        samples = [t for t in range(1000) if int(k * 62.5) <= t < int((k + 1) * 62.5)]
        np.testing.assert_allclose(power_KC[k], np.square(emg_TC[samples].astype(np.float64)).mean(0), rtol=1e-6)


@pytest.mark.parametrize("block", [500.0, 62.5, 1000 / 12, 999 / 27, 370.37037037037 / 4, 1.0, 1.3])
def test_the_end_of_a_block_lies_after_every_sample_of_it(block: float) -> None:
    """A stream that waits for an end that has passed waits for ever."""
    ends = [int(k * block) for k in range(5001)]
    for first, end in pairwise(ends):
        for sample in range(first, end):
            assert block_end(sample, block) == end


@pytest.mark.parametrize(("rate", "new_rate"), [(60.0, 100.0), (200.0, 100.0), (100.0, 125.0), (100.0, 100.0)])
def test_pose_resampling_against_loops(rate: float, new_rate: float) -> None:
    rng = np.random.default_rng(2)
    pose_SJ, valid_S = rng.normal(size=(37, 3)).astype(np.float32), rng.random(37) > 0.2
    pose_SJ[~valid_S] = np.nan
    pose_MJ, valid_M = resample_anchor(pose_SJ, valid_S, rate, new_rate, 90)
    assert np.isfinite(pose_MJ).all()
    for m in range(90):
        position = m * rate / new_rate
        left = int(position)
        if left >= 37:
            assert not valid_M[m]
            continue
        right = min(left + 1, 36)
        share = position - left if right > left else 0.0
        assert valid_M[m] == (valid_S[left] and (share == 0 or valid_S[right])), m
        if valid_M[m]:
            expected = pose_SJ[left] + (share * (pose_SJ[right] - pose_SJ[left]) if share else 0)
            np.testing.assert_allclose(pose_MJ[m], expected, atol=1e-5)


@pytest.mark.parametrize("rate", [50, 100, 125, 128, 200, 250, 500, 512, 977, 1000, 1024, 1111, 1925.925, 2000, 2048])
def test_frame_rates_are_near_100(rate: float) -> None:
    ratio = frame_ratio(rate)
    assert ratio >= 1 and 50 <= rate / ratio <= 200
    if rate in (100, 200, 500, 1000, 2000):
        assert rate / ratio == 100


def test_recordings_are_checked() -> None:
    whole = vars(emg2pose_like())
    for change, sentence in (
        ({"emg_TC": np.zeros((1000, 8), np.float32)}, "8 EMG channels where 16 are expected"),
        ({"label_T": np.zeros(9, int)}, "9 labels for 1000 EMG samples"),
        ({"anchor_SJ": np.zeros((50, 3), np.float32)}, r"pose of shape \(50, 3\)"),
    ):
        with pytest.raises(UserError, match=sentence):
            Recording(**(whole | change))
