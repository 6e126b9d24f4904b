import pytest

from cpep.data.licences import terms_of
from cpep.types import UserError


@pytest.mark.parametrize(
    ("dataset", "weights", "restricted"),
    [
        ("emg2pose", "cc-by-nc-sa-4.0", True),
        ("emg2pose (imported)", "cc-by-nc-sa-4.0", True),
        ("emg2pose_simulated", "apache-2.0", False),
        ("ninapro_db1", "other", True),
    ],
)
def test_known_data_need_no_word_and_take_none(dataset, weights, restricted):
    terms = terms_of(dataset)
    assert (terms.weights, terms.non_commercial) == (weights, restricted)
    with pytest.raises(UserError, match="is known"):
        terms_of(dataset, "CC-BY-4.0")


@pytest.mark.parametrize("dataset", ["", "my_recordings", "ninapro_db2"])
def test_for_other_data_the_user_must_say(dataset):
    with pytest.raises(UserError, match="--data-licence"):
        terms_of(dataset, "  ")
    assert terms_of(dataset, "CC-BY-4.0").weights == "cc-by-4.0"


@pytest.mark.parametrize(
    ("told", "restricted"),
    [
        ("CC-BY-4.0", False), ("cc-by-nc-4.0", True), ("non-commercial use", True), ("noncommercial", True),
        ("for academic\nresearch", True), ("MIT", False), ("own recordings, once again", False),
    ],
)  # fmt: skip
def test_a_licence_that_allows_no_commerce_is_known_by_its_words(told, restricted):
    terms = terms_of("mine", told)
    assert terms.non_commercial is restricted and "\n" not in terms.data
