"""The number of threads is no part of what a stage computes: it goes on, and is found again, with another one."""

from cpep.config.presets import override, tiny
from cpep.train.stage import STAGES


def test_a_stage_is_the_same_with_any_number_of_threads():
    for stage in STAGES:
        one, three = (stage.settings(override(tiny(), [f"threads={n}"])) for n in (1, 3))
        assert one == three and one["threads"] == 1
