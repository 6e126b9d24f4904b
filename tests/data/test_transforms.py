import dataclasses

import pytest
import torch

from cpep.data.augment import Augmentation
from cpep.data.store.prepare import prepare
from tests.synthetic import write_db1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transforms")
    return prepare(write_db1(folder / "raw", users=4), folder / "store")


def worn(store, *sessions):
    """Return the store with recordings of these sessions, each (user, session, side)."""
    entries = [
        dataclasses.replace(entry, user=user, session=session, side=side)
        for entry, (user, session, side) in zip(store.entries, sessions, strict=True)
    ]
    return dataclasses.replace(store, entries=tuple(entries))


OFF = {
    "gain": 0.0,
    "common_gain": 0.0,
    "noise": 0.0,
    "rotate_deg": 0.0,
    "drop": 0.0,
    "ring": (),
    "raw": False,
    "channels": 4,
}


def test_rates_turn_and_drop_with_their_channel_and_have_no_gain():
    signal = torch.rand(50, 6, 12) + 0.5
    out = Augmentation(**{**OFF, "gain": 0.3, "drop": 0.3})(signal)
    silent = out[:, :, 4:8] == 0
    assert silent.any() and not silent.all()
    assert torch.equal(out[:, :, :4] == 0, silent)
    for rate in (slice(4, 8), slice(8, 12)):
        assert torch.equal(out[:, :, rate], signal[:, :, rate] * ~silent)
    turned = Augmentation(**{**OFF, "rotate_deg": 90.0, "ring": (0, 1, 2, 3)})(signal[:, :, :4].repeat(1, 1, 3))
    assert torch.allclose(turned[:, :, :4], turned[:, :, 4:8]) and torch.equal(turned[:, :, 4:8], turned[:, :, 8:])
    assert not torch.allclose(turned[:, :, :4], signal[:, :, :4])


def test_augmentation_off_changes_nothing():
    signal = torch.rand(3, 8, 4)
    assert torch.equal(Augmentation(**OFF)(signal), signal)


def turned_by_hand(row, ring, turn):
    """A value between electrodes by linear interpolation, one channel at a time."""
    out = list(row)
    for k, channel in enumerate(ring):
        place = (k + turn) % len(ring)
        low, share = int(place), place - int(place)
        out[channel] = (1 - share) * row[ring[low]] + share * row[ring[(low + 1) % len(ring)]]
    return out


def test_a_ring_of_bins_turns_by_any_angle_and_leaves_other_channels():
    torch.manual_seed(0)
    signal = torch.tensor([0.0, 1.0, 4.0, 9.0, 7.0]).expand(64, 3, 5)
    ring = (3, 0, 2, 1)
    out = Augmentation(**{**OFF, "rotate_deg": 45.0, "ring": ring, "channels": 5})(signal)
    turns = torch.linspace(-0.5, 0.5, 2001)
    candidates = torch.tensor([turned_by_hand(signal[0, 0].tolist(), ring, float(t)) for t in turns])
    distance = torch.cdist(out[:, 0], candidates).min(dim=1)
    assert distance.values.max() < 0.02
    assert turns[distance.indices].std() > 0.2
    assert (out[:, :, 4] == 7.0).all()


def test_a_raw_ring_turns_by_whole_channels():
    torch.manual_seed(0)
    signal = torch.arange(5.0).expand(64, 3, 5)
    settings = {**OFF, "raw": True, "rotate_deg": 90.0, "ring": (0, 1, 2, 3), "channels": 5}
    out = Augmentation(**settings)(signal)
    seen = {tuple(row.int().tolist()) for row in out[:, 0]}
    assert seen == {(0, 1, 2, 3, 4), (1, 2, 3, 0, 4), (3, 0, 1, 2, 4)}


def test_a_raw_ring_coarser_than_the_angle_does_not_turn():
    signal = torch.arange(8.0).expand(16, 3, 8)
    settings = {**OFF, "raw": True, "rotate_deg": 22.5, "ring": tuple(range(8)), "channels": 8}
    assert torch.equal(Augmentation(**settings)(signal), signal)


def test_gain_is_constant_over_a_window_and_dropped_channels_are_silent():
    torch.manual_seed(0)
    out = Augmentation(**{**OFF, "raw": True, "gain": 0.3, "drop": 0.5})(torch.ones(200, 6, 4))
    assert torch.equal(out, out[:, :1].expand_as(out))
    silent = (out[:, 0] == 0).float().mean()
    assert 0.4 < silent < 0.6
    assert out[out > 0].log().std() == pytest.approx(0.3, abs=0.03)


def test_the_gain_of_a_log_energy_is_a_shift():
    torch.manual_seed(0)
    signal = torch.randn(2000, 6, 4)
    shift = Augmentation(**{**OFF, "gain": 0.3, "common_gain": 0.4})(signal) - signal
    assert torch.allclose(shift, shift[:, :1].expand_as(shift), atol=1e-5)
    assert shift[:, 0].std() == pytest.approx(0.5, abs=0.02)
    assert torch.corrcoef(shift[:, 0].T)[0, 1] == pytest.approx(0.16 / 0.25, abs=0.05)


def test_noise_is_drawn_for_every_value():
    torch.manual_seed(0)
    out = Augmentation(**{**OFF, "noise": 0.5})(torch.zeros(50, 6, 8))
    assert out.std() == pytest.approx(0.5, abs=0.03) and out.unique().numel() > 2000
