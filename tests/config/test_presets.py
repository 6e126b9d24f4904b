import dataclasses

import pytest

from cpep.config.presets import PRESETS, from_dict, override, preset, small
from cpep.config.serialise import as_dict, fields_of, fingerprint, with_plain
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
        ("align.optim.steps=3.5", "must be a whole number"),
        ("align.optim.lr=[1]", "must be a number"),
        ("align.rest=maybe", "must be true or false"),
        ("align.pool=mode", "must be cls or mean"),
        ("evaluate.strengths=0.1", "must be a list"),
        (
            "align.optim.lr=${oc.env:CPEP_SECRET}",
            r"align\.optim\.lr holds '\$\{oc\.env:CPEP_SECRET\}'; .* the value itself",
        ),
        ("align.optim.lr=${align.optim.clip}", "write the value itself"),
    ],
)
def test_a_mistake_is_a_sentence(assignment, says):
    with pytest.raises(UserError, match=says):
        override(small(), [assignment])


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("no", False)])
def test_true_and_false_in_any_words(text, value):
    assert override(small(), [f"align.rest={text}"]).align.rest is value


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"align": {"optim": {"lr": "fast"}}}, r"config\.align\.optim\.lr is 'fast'; it must be a number"),
        ({"align": {"pool": []}}, r"config\.align\.pool is \[\]; it must be cls or mean"),
        ({"evaluate": {"strengths": [0.1, True]}}, r"config\.evaluate\.strengths is \[0\.1, True\]"),
        ({"align": 3}, r"config\.align is 3; it must be an object"),
        ({"align": {"later": 3}}, r"config\.align has a field later that this version of cpep does not know"),
        ({"preset": "${oc.env:CPEP_SECRET}"}, r"config: preset holds '\$\{oc\.env:CPEP_SECRET\}'"),
        ({"${oc.env:CPEP_SECRET}": 1}, "write the value itself"),
    ],
)
def test_settings_of_a_file_that_are_none_are_a_sentence(plain, says, monkeypatch):
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    with pytest.raises(UserError, match=says) as caught:
        from_dict(plain)
    assert "hunter2" not in str(caught.value)


def test_whole_numbers_in_a_file_are_numbers():
    found = from_dict({"align": {"optim": {"lr": 1}}, "evaluate": {"strengths": [1]}})
    assert type(found.align.optim.lr) is float and type(found.evaluate.strengths[0]) is float


def test_no_text_stands_for_something_else(monkeypatch):
    """Not even one that got past every check of files and options."""
    monkeypatch.setenv("CPEP_SECRET", "hunter2")
    asking = dataclasses.replace(small(), preset="${oc.env:CPEP_SECRET}")
    assert override(asking, ["threads=2"]).preset == "${oc.env:CPEP_SECRET}"
    assert with_plain(small(), as_dict(asking), "here").preset == "${oc.env:CPEP_SECRET}"


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
        plain = getattr(value, "value", f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else value)
        assert override(config, [f"{path}={plain}"]) == config


def test_of_several_assignments_the_wrong_one_is_named():
    with pytest.raises(UserError) as caught:
        override(small(), ["threads=2", "align.optim.lr=fast"])
    assert "lr=fast" in str(caught.value) and "threads" not in str(caught.value)
