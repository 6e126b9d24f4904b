from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpep.signal.units import KNOWN, OF_EMG, WORDS, canonical, factor, known_unit
from cpep.types import UserError


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("\N{MICRO SIGN}V", "uV"), ("\N{GREEK SMALL LETTER MU}V", "uV"), ("Microvolts", "uV"), (" uV ", "uV"),
        ("\N{MICRO SIGN}volts", "uV"), ("volts", "V"), ("v", "V"), ("ADC counts", "count"), ("SD", "noise_sd"),
        ("noise SD", "noise_sd"), ("°", "deg"), ("Degrees", "deg"), ("RAD", "rad"), ("radian", "rad"), ("cm", "cm"),
        ("metres", "m"), ("ratio", "ratio"),
    ],
)  # fmt: skip
def test_units_as_people_write_them(text: str, unit: str) -> None:
    assert canonical(text) == known_unit(text) == unit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MV", "did you mean 'mV'"),
        ("M", "known are V, mV"),
        ("milivolt", "did you mean 'mV'"),
        ("micro volts", "did you mean 'uV'"),
        ("furlong", "the unit 'furlong' is not known here; known are"),
        ("", "the unit '' is not known here; known are"),
    ],
)
def test_others_are_refused_with_what_may_be_meant(text: str, said: str) -> None:
    assert known_unit(text) == ""
    with pytest.raises(UserError, match=said):
        canonical(text)


def test_a_unit_of_something_else_is_refused() -> None:
    with pytest.raises(UserError, match="known are V, mV, uV, count"):
        canonical("deg", OF_EMG)


@given(st.sampled_from([word for words in WORDS.values() for word in words]), st.data())
def test_words_may_be_written_in_any_letters(word: str, data: st.DataObject) -> None:
    letters = "".join(data.draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in word)
    assert canonical(letters) == canonical(word)


@given(st.sampled_from(KNOWN), st.sampled_from(KNOWN), st.sampled_from(KNOWN))
def test_factors_lead_there_and_back_and_from_one_to_the_next(a: str, b: str, c: str) -> None:
    there, on, whole = factor(a, b), factor(b, c), factor(a, c)
    assert factor(a, a) == 1
    if there is not None and on is not None:
        assert whole is not None and math.isclose(there * on, whole)
        back = factor(b, a)
        assert back is not None and math.isclose(there * back, 1)
    assert (there is None) == (factor(b, a) is None)


def test_factors_of_ten_are_exact() -> None:
    assert (factor("V", "uV"), factor("mV", "uV"), factor("uV", "mV"), factor("cm", "mm")) == (1e6, 1e3, 1e-3, 10.0)
    assert factor("deg", "rad") == math.pi / 180 and factor("count", "uV") is None and factor("rad", "mm") is None
