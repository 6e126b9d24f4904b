import contextlib
import copy

import pytest
import torch
from torch import nn

from cpep.config.schema import OptimConfig
from cpep.train.loop import fit, parameter_groups
from cpep.train.schedule import History, is_past_its_best, last_step, learning_rate, rate_of
from cpep.types import UserError

CONFIG = OptimConfig(steps=20, batch=4, lr=0.05, checks=4, weight_decay=0.1)


class Killed(Exception):
    pass


class Toy:
    """A regression with dropout and noise, so that a resume must restore all that is random."""

    def __init__(self, die_at=None):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.x = torch.randn(64, 5, generator=torch.Generator().manual_seed(1))
        self.y = self.x.sum(1, keepdim=True)
        self.die_at = die_at

    def loss_at(self, step):
        if step == self.die_at:
            raise KeyboardInterrupt
        rows = torch.randint(0, 64, (4,))
        return (self.model(self.x[rows] + 0.1 * torch.randn(4, 5)) - self.y[rows]).square().mean()

    def validate(self):
        return float((self.model(self.x) - self.y).square().mean())

    def fit(self, state, key="run", config=CONFIG, **more):
        return fit(self.model, self.loss_at, self.validate, config, seed=3, state=state, key=key, **more)


@pytest.mark.parametrize(
    ("losses", "kept_step"), [(None, 20), ((1.0, 0.5, 0.507, 2.0), 15), ((1.0, 0.5, 2.0, 2.0), 10)]
)
def test_a_resumed_run_ends_bit_identical(tmp_path, losses, kept_step):
    whole, killed, resumed = Toy(), Toy(die_at=13), Toy()
    if losses:
        whole.validate, killed.validate, resumed.validate = (
            iter(part).__next__ for part in (losses, losses[:2], losses[2:])
        )
    history = whole.fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        killed.fit(tmp_path / "state")
    again = resumed.fit(tmp_path / "state")
    assert again == history and again.kept_step == kept_step
    for one, other in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_the_state_of_another_run_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Toy(die_at=5).fit(tmp_path / "state", key="one")
    with pytest.raises(UserError, match="other settings"):
        Toy().fit(tmp_path / "state", key="two")


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ((3.0, 1.0, 2.0, 4.0), 1),
        ((3.0, 1.0, 1.019, 1.03), 2),  # as good as the lowest, and later
        ((1.0, 1.019, 1.038, 1.1), 1),  # measured against the lowest, not against the kept
        ((1.0, 1.03, 0.995, 1.0), 3),
    ],
)
def test_the_latest_weights_as_good_as_the_best_are_kept(losses, kept, tmp_path):
    toy = Toy()
    seen = []
    scores = iter(losses)

    def validate():
        seen.append(copy.deepcopy(toy.model.state_dict()))
        return next(scores)

    history = fit(toy.model, toy.loss_at, validate, CONFIG, seed=0, state=tmp_path / "state", key="run")
    assert history.kept_step == 5 * (kept + 1)
    for one, other in zip(seen[kept].values(), toy.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("losses", "patience", "steps"),
    [
        ((0.5, 2.0, 2.0, 0.0), 2, 7),  # the third check is the second in a row that is no better; then the cool-down
        ((0.5, 0.499, 0.496, 0.0), 2, 7),  # less than 1 % better in two checks
        ((0.5, 0.498, 0.494, 0.49, 0.48, 0.48, 0.48, 0.48, 0.48, 0.48), 2, 20),  # flat once the rate is below half
        ((1.0, 1.0, 1.0, 0.951, 0.951, 0.951, 0.951, 0.951, 0.951, 0.951), 2, 20),  # has not begun to learn
        ((1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0), 0, 20),
    ],
)
def test_patience_stops_a_run_that_is_flat(tmp_path, losses, patience, steps):
    toy, scores = Toy(), iter(losses)
    config = OptimConfig(steps=20, batch=4, checks=10, patience=patience)
    where = {"seed": 0, "state": tmp_path / "s", "key": "run", "chance_loss": 1.0}
    history = fit(toy.model, toy.loss_at, lambda: next(scores), config, **where)
    assert history.step == steps and (history.flat_at == 6) == (steps == 7)
    assert history.points[-1][0] == steps  # the last weights are judged too


def test_a_run_that_is_flat_cools_down():
    config = OptimConfig(steps=1000, lr=1.0, patience=2)
    history = History(step=400, flat_at=400)
    assert last_step(history, config) == 480
    rates = [rate_of(History(step=step, flat_at=400), config) for step in range(400, 480)]
    assert rates[0] == learning_rate(config, 400) and rates[40] == pytest.approx(rates[0] / 2)
    assert 0 < rates[-1] < 0.02
    assert rate_of(History(step=399), config) == learning_rate(config, 399)
    assert last_step(History(flat_at=950), config) == 1000


def test_a_run_that_is_killed_in_its_cool_down_ends_as_if_it_had_not_been(tmp_path):
    config = OptimConfig(steps=60, batch=4, checks=12, patience=2)
    whole, killed, resumed = Toy(), Toy(die_at=17), Toy()
    losses = (0.5, 0.5, 0.5, 0.4)
    for toy, own in ((whole, losses), (killed, losses[:3]), (resumed, losses[3:])):
        toy.validate = iter(own).__next__
    histories = []
    for toy, state in ((whole, "whole"), (killed, "state"), (resumed, "state")):
        where = {"seed": 3, "state": tmp_path / state, "key": "run", "chance_loss": 1.0}
        with contextlib.suppress(KeyboardInterrupt):
            histories.append(fit(toy.model, toy.loss_at, toy.validate, config, **where))
    assert len(histories) == 2 and histories[0] == histories[1] and histories[0].step == 18
    for one, other in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("losses", "past"),
    [
        ((0.5, 0.6, 0.7, 0.7), True),
        ((0.5, 0.6, 0.499, 0.6), False),
        ((0.97, 1.2, 1.2, 1.2), False),  # never learnt: nothing to be past
        ((0.5, 0.6), False),
    ],
)
def test_what_no_longer_falls_at_all_is_past_its_best(losses, past):
    history = History(points=[(k, 0.0, loss) for k, loss in enumerate(losses)])
    assert is_past_its_best(history, OptimConfig(patience=2), 1.0) == past


def test_a_loss_that_is_not_finite_is_a_sentence(tmp_path):
    toy = Toy()
    with pytest.raises(UserError, match="step 0 is nan"):
        fit(
            toy.model,
            lambda step: toy.loss_at(step) * float("nan"),
            toy.validate,
            CONFIG,
            seed=0,
            state=tmp_path / "state",
            key="run",
        )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_is_a_sentence(tmp_path, value):
    toy = Toy()
    with pytest.raises(UserError, match="validation loss of step 5"):
        fit(toy.model, toy.loss_at, lambda: value, CONFIG, seed=0, state=tmp_path / "state", key="run")


def test_vectors_are_not_decayed_and_scalars_learn_faster():
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    model.register_parameter("temperature", nn.Parameter(torch.tensor(0.0)))
    decayed, free, scalar = parameter_groups(model, 0.5, 50.0)
    assert {p.ndim for p in decayed["params"]} == {2} and decayed["weight_decay"] == 0.5
    assert {p.ndim for p in free["params"]} == {1} and free["weight_decay"] == 0.0
    assert [p.ndim for p in scalar["params"]] == [0] and scalar["rate"] == 50.0
