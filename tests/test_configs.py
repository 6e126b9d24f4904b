import dataclasses

import pytest

from cpep.configs import PRESETS, as_dict, fields_of, fingerprint, from_dict, override, preset, small
from cpep.types import UserError


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_survives_json(name):
    config = preset(name)
    assert config.preset == name
    assert from_dict(as_dict(config)) == config


def test_an_override_is_typed_and_changes_one_field():
    config = override(small(), ["align.optim.steps=7", "data.normalisation=causal", "evaluate.strengths=[0.5,1]"])
    assert config.align.optim.steps == 7 and config.data.normalisation.value == "causal"
    assert config.evaluate.strengths == (0.5, 1.0)
    changed = {name for name in fields_of(config) if _get(config, name) != _get(small(), name)}
    assert changed == {"align.optim.steps", "data.normalisation", "evaluate.strengths"}


def _get(config, path):
    for name in path.split("."):
        config = getattr(config, name)
    return config


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("align.optim.stepps=3", "did you mean align.optim.steps"),
        ("mask=0.5", "did you mean emg_mae.mask or pose_mae.mask"),
        ("align.optim.steps=many", "many"),
        ("data.normalisation=mine", "mine"),
        ("align.optim.steps", "write field=value"),
    ],
)
def test_a_mistake_is_a_sentence(assignment, says):
    with pytest.raises(UserError, match=says):
        override(small(), [assignment])


def test_configurations_are_frozen_and_fingerprints_tell_them_apart():
    config = small()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.threads = 3  # type: ignore[misc]
    assert fingerprint(config, 1) == fingerprint(small(), 1)
    assert fingerprint(config, 1) != fingerprint(override(config, ["threads=3"]), 1)
