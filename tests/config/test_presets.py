import dataclasses

import pytest

from cpep.config.presets import PRESETS, from_dict, override, preset, small
from cpep.config.serialise import as_dict, fields_of, fingerprint
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
        ("=3", "write field=value"),
        ("preset=tiny", "use --preset"),
        ("evaluate.strengths=[a", "--set evaluate.strengths"),
        ("evaluate.strengths=[]", "at least one number"),
        ("evaluate.ridge_strengths=[1,-1]", "above 0"),
        ("align.optim.steps=0", "at least 1"),
        ("align.optim.batch=1", "at least 2"),
        ("align.people=-1", "at least 0"),
        ("align.optim.lr=nan", "above 0"),
        ("data.window_s=inf", "above 0"),
        ("emg.dropout=1", "from 0 to below 1"),
        ("emg.heads=3", "must divide emg.width"),
        ("align.temperature=0.7", "set all three"),
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


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_value_of_a_preset_is_one_that_may_be_set(name):
    config = PRESETS[name]()
    for path in set(fields_of(config)) - {"preset", "recipe"}:
        value = _get(config, path)
        plain = getattr(value, "value", list(value) if isinstance(value, tuple) else value)
        assert override(config, [f"{path}={plain}"]) == config


def test_of_several_assignments_the_wrong_one_is_named():
    with pytest.raises(UserError) as caught:
        override(small(), ["threads=2", "align.optim.lr=fast"])
    assert "lr=fast" in str(caught.value) and "threads" not in str(caught.value)
