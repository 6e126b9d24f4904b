import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from cpep.checkpoints.checkpoint import Model, load, save
from cpep.checkpoints.registry import make_card
from cpep.config.presets import preset
from cpep.data import WindowDataset, from_arrays, make_splits
from cpep.data.statistics import CentreSpread
from cpep.data.windows import AnchorReader
from cpep.types import UserError
from tests.checkpoints.arrays import CHANNELS, JOINTS, RATE, made


@pytest.fixture(scope="module")
def store():
    emg, names, people, pose = made()
    return from_arrays(emg, names, rate=RATE, people=people, pose=pose, pose_rate=100, highpass_hz=0)


@pytest.fixture(scope="module")
def split(store):
    return make_splits(store)[0]


def build(store, split, kind="cpep", *settings):
    torch.manual_seed(0)
    config = preset("tiny", ["data.window_s=1", *settings])
    model = Model(make_card(kind, store, split, config, 0))
    model.emg_frontend.fit(store, split.users_train)
    windows = WindowDataset(store, split=split).windows
    if kind == "cpep":
        model.net.emg.fit(model.emg_frontend.reader(store, windows.frames)(windows))
        model.net.anchor.fit(AnchorReader(store, windows.frames)(windows))
    return model.eval()


@pytest.fixture
def model(store, split):
    return build(store, split)


@pytest.fixture(scope="module")
def batch(store, split):
    windows = build(store, split).dataset(store, split=split)
    chosen = np.random.default_rng(0).permutation(len(windows))[:12].tolist()
    return next(iter(DataLoader(windows, batch_size=12, sampler=chosen)))


def test_forward_and_encode_emg_agree_and_only_training_has_a_gradient(model, batch):
    found = model(batch["emg"], batch["standard"])
    still = model.encode_emg(batch["emg"], batch["standard"])
    assert found.requires_grad and not still.requires_grad
    torch.testing.assert_close(found, still, atol=1e-6, rtol=0)
    assert model.encode_emg(batch["emg"], grad=True).requires_grad
    assert model.train().encode_emg(batch["emg"]).requires_grad
    assert not model.encode_emg(batch["emg"], grad=False).requires_grad
    with torch.no_grad():
        assert not model.encode_emg(batch["emg"], grad=True).requires_grad


def test_each_window_is_standardised_by_its_own_session(model, store, batch):
    together = model.encode_emg(batch["emg"], batch["standard"])
    assert len(set(batch["session"].tolist())) > 1
    frontend, people = model.emg_frontend, store.users
    for row, emg_CT in enumerate(batch["emg"]):
        mine = [entry for entry in store.entries if entry.user == people[batch["person"][row]]]
        rows = [frontend.rows(torch.from_numpy(_emg(store, entry))).numpy() for entry in mine]
        standard = frontend.statistic.floored(frontend.statistic.of(np.concatenate(rows)), frontend.typical())
        alone = model.encode_emg(emg_CT[None], standard)
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=0)
    as_list = [CentreSpread(one[0].numpy(), one[1].numpy()) for one in batch["standard"]]
    torch.testing.assert_close(model.encode_emg(batch["emg"], as_list), together, atol=1e-6, rtol=0)


def _emg(store, entry):
    return store.emg_TC[entry.start * store.ratio : (entry.start + entry.frames) * store.ratio]


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: x.double(),
        lambda x: x.numpy().astype(np.float64)[::1],
        lambda x: list(x),
        lambda x: x.clone().requires_grad_(),
    ],
)
def test_all_kinds_of_numbers_are_taken_alike(model, batch, given):
    wanted = model.encode_emg(batch["emg"], batch["standard"])
    found = model.encode_emg(given(batch["emg"]), given(batch["standard"]))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    pose = model.encode_pose(batch["pose"])
    torch.testing.assert_close(model.encode_pose(given(batch["pose"])), pose, atol=1e-6, rtol=0)


def test_whole_recordings_of_any_numbers_are_taken(model):
    counts_TC = np.random.default_rng(0).integers(-300, 300, (1000, CHANNELS)).astype(np.int16)
    wanted = model.calibrate(model.condition(counts_TC.astype(np.float32)).T)
    for given in (counts_TC, counts_TC.tolist(), torch.from_numpy(counts_TC)):
        found = model.calibrate(torch.from_numpy(model.condition(given).copy()).T)
        np.testing.assert_allclose(found.centre_F, wanted.centre_F, atol=1e-6)
    with pytest.raises(UserError, match=r"conditions \(samples, 8\); transpose it"):
        model.condition(counts_TC.T)
    with pytest.raises(UserError, match=r"takes \(8, samples\); transpose it"):
        model.calibrate(counts_TC)


@pytest.mark.parametrize(
    ("said", "emg", "standard"),
    [
        (r"takes \(windows, 8, 200\).*transpose the last two axes", np.zeros((2, 200, 8)), None),
        ("of one window give a list of it", np.zeros((8, 200)), None),
        ("of type complex", np.zeros((2, 8, 200), complex), None),
        ("of type torch.complex64", torch.zeros((2, 8, 200), dtype=torch.complex64), None),
        ("not finite", np.full((2, 8, 200), np.inf), None),
        (r"standard has a part of shape \(3, 24\)", np.zeros((2, 8, 200)), np.zeros((3, 2, 24))),
        (r"standard of shape \(24,\)", np.zeros((2, 8, 200)), np.zeros(24)),
    ],
)
def test_wrong_shapes_are_sentences(model, said, emg, standard):
    with pytest.raises(UserError, match=said):
        model(emg, standard)


def test_the_names_of_braindecode(model):
    assert (model.n_chans, model.n_times, model.sfreq) == (CHANNELS, 200, RATE)
    assert model.n_features == model(np.zeros((1, CHANNELS, 200))).shape[-1]
    assert not model.training


def learned(model, batch, head, groups, steps=20):
    """Return the loss of each step."""
    optimiser, losses = torch.optim.AdamW(groups), []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(head(model(batch["emg"], batch["standard"])), batch["label"] - 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def test_a_loss_falls_and_moves_the_encoder_and_not_the_poses(model, batch):
    torch.manual_seed(0)
    head = nn.Linear(model.n_features, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = learned(model.train(), batch, head, model.parameter_groups(3e-3, head=head, head_lr=1e-2))
    assert losses[-1] < 0.7 * losses[0]
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name for name, _ in model.named_parameters() if name.startswith("net.emg.")} <= moved
    assert not any(name.startswith(("net.anchor", "frontend")) for name in moved)


def test_what_is_frozen_gets_no_gradient_and_no_dropout(model, batch):
    model.freeze().train()
    head = nn.Linear(model.n_features, 3)
    learned(model, batch, head, model.parameter_groups(1e-2, head=head), steps=1)
    assert all(p.grad is None for p in model.parameters()) and head.weight.grad is not None
    assert model.training and not model.net.training and not model.net.emg.training
    assert not model.encode_emg(batch["emg"]).requires_grad
    model.unfreeze()
    assert model.net.emg.training and not model.net.anchor.training
    model(batch["emg"]).square().sum().backward()
    assert all(p.grad is not None for p in model.net.emg.parameters())
    assert not any(p.requires_grad for p in model.net.anchor.parameters())


def test_a_checkpoint_with_a_frozen_encoder_can_be_unfrozen(store, split, batch):
    model = build(store, split, "cpep", "align.freeze_emg=true").train()
    assert not model.net.emg.training
    model.unfreeze()
    assert model.net.emg.training and all(p.requires_grad for p in model.net.emg.parameters())


def test_parameter_groups_have_all_that_learns_once_and_decay_matrices_alone(model):
    head = nn.Linear(16, 3)
    groups = model.parameter_groups(1e-4, head=head, head_lr=1e-3, weight_decay=0.1)
    grouped = [p for group in groups for p in group["params"]]
    wanted = [p for p in [*model.parameters(), *head.parameters()] if p.requires_grad]
    assert len(grouped) == len(wanted) and {*map(id, grouped)} == {*map(id, wanted)}
    for group in groups:
        assert group["lr"] == (1e-3 if group["name"] == "head" else 1e-4)
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])
    assert {id(p) for group in groups if group["name"] == "head" for p in group["params"]} == {
        *map(id, head.parameters())
    }


def test_a_pose_regressor_learns_too(store, split, batch):
    model = build(store, split, "pose_t").train()
    found = model.predict_pose(batch["emg"], batch["standard"])
    assert found.requires_grad and found.shape[:2] == (len(batch["emg"]), JOINTS)
    assert not model.eval().predict_pose(batch["emg"]).requires_grad


def test_weights_move_between_devices_and_files(model, batch, tmp_path):
    model.double().float().to("cpu")
    save(model, tmp_path / "one")
    again = load(tmp_path / "one")
    assert not again.training
    torch.testing.assert_close(again(batch["emg"]), model(batch["emg"]), atol=1e-6, rtol=0)
    again.load_state_dict(model.state_dict())


def test_a_store_of_another_unit_or_device_is_refused(model, store):
    emg, names, people, _ = made()
    with pytest.raises(UserError, match=r"channels 8.* has 4"):
        model.dataset(from_arrays(emg[:4, :4], rate=RATE, highpass_hz=0))
    millivolts = from_arrays(emg, names, rate=RATE, people=people, unit="mV", highpass_hz=0)
    microvolts = build(millivolts, make_splits(millivolts)[0], "supervised")
    assert len(microvolts.dataset(millivolts)) == len(emg)
    with pytest.raises(UserError, match=r"takes EMG in V.* has uV; use model.in_unit\('uV'\)"):
        microvolts.in_unit("V").dataset(millivolts)


@pytest.mark.parametrize("part", [np.nan, 0.0, -1.0])
def test_a_spread_that_cannot_be_divided_by_is_refused(model, batch, part):
    broken = batch["standard"].clone()
    broken[3, 1, 0] = part
    with pytest.raises(UserError, match="a spread that is not above 0"):
        model(batch["emg"], broken)


def test_what_would_say_nothing_is_a_sentence(model, batch):
    with pytest.raises(UserError, match="holds no windows"):
        model(batch["emg"][:0])
    with pytest.raises(UserError, match=r"the pose reaches 90 rad.* in degrees, give radians"):
        model.encode_pose(torch.full((1, len(model.card.device.anchor_names), 100), 90.0))
    with pytest.raises(UserError, match="nothing in this model learns"):
        model.freeze().parameter_groups(1e-3)
    assert model.parameter_groups(1e-3, head=nn.Linear(2, 2))
