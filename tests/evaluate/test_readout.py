"""The read-out against explicit Gaussians, and on people of whom little or odd things are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage

from cpep.evaluate import readout
from cpep.evaluate.readout import Checked, Discriminant, ReadOut
from cpep.types import UserError


def shown(names=("rest", "fist", "point", "spread"), takes=3, windows=20, width=6, apart=6.0, seed=0):
    """Return windows that one person shows, their names and the numbers of their takes; takes differ a little."""
    rng = np.random.default_rng(seed)
    rows, name_N, group_N = [], [], []
    for e, name in enumerate(names):
        centre_D = apart * np.random.default_rng(100 + e).normal(size=width) / np.sqrt(width)
        for take in range(takes):
            rows.append(centre_D + 0.3 * rng.normal(size=width) + rng.normal(size=(windows, width)))
            name_N += [name] * windows
            group_N += [10 * take + e] * windows
    return np.concatenate(rows), np.array(name_N), np.array(group_N)


def slow_squares(x_ND, target_N, asked_MD):
    """Mahalanobis distances by loops: names weigh the same, columns are scaled, the covariance is shrunk."""
    entries, width = target_N.max() + 1, x_ND.shape[1]
    means = [x_ND[target_N == e].mean(0) for e in range(entries)]
    variance_D = sum((x_ND[target_N == e] - means[e]).var(0) + 0 for e in range(entries)) / entries
    apart_ND = np.stack([(x - means[e]) / np.sqrt(variance_D) for x, e in zip(x_ND, target_N, strict=True)])
    covariance_DD = np.zeros((width, width))
    for e in range(entries):
        own = apart_ND[target_N == e]
        covariance_DD += sum(np.outer(row, row) for row in own) / len(own) / entries
    share = min(1.0, 6 * ledoit_wolf_shrinkage(apart_ND, assume_centered=True))
    precision_DD = np.linalg.inv((1 - share) * covariance_DD + share * np.eye(width))
    out = np.zeros((len(asked_MD), entries))
    for m, row in enumerate(asked_MD):
        for e in range(entries):
            d = (row - means[e]) / np.sqrt(variance_D)
            out[m, e] = d @ precision_DD @ d
    return out


def test_shares_are_gaussians_with_one_covariance_and_none_of_them_by_distance():
    x_ND, name_N, group_N = shown()
    asked = np.random.default_rng(1).normal(size=(9, 6)) * 5
    found = ReadOut.fit(x_ND, name_N, group_N)
    assert found.names == ("fist", "point", "rest", "spread")
    target_N = np.array([found.names.index(name) for name in name_N])
    square_ME = slow_squares(x_ND, target_N, asked)
    c = found.confidence
    for row, square_E in zip(found.shares(asked), square_ME, strict=True):
        density_E = np.exp(-0.5 * (square_E - square_E.min()) / c.temperature)
        distance = np.sqrt(square_E.min() / 6)
        none = 1 / (1 + np.exp(-c.slope * (np.log(distance) - c.border)))
        wanted = [*((1 - none) * density_E / density_E.sum()), none]
        np.testing.assert_allclose(row, wanted, rtol=1e-6, atol=1e-9)


def test_names_weigh_the_same_however_often_they_were_shown():
    x_ND, name_N, _ = shown()
    many = np.concatenate([x_ND, *[x_ND[name_N == "rest"]] * 4])
    target_N = np.unique(name_N, return_inverse=True)[1]
    more_N = np.concatenate([target_N, np.repeat(2, len(many) - len(x_ND))])
    one, other = (Discriminant.fit(x, t).squares(x_ND) for x, t in ((x_ND, target_N), (many, more_N)))
    np.testing.assert_allclose(one, other, rtol=0.1)  # the shrinkage alone differs


def test_scale_and_unit_of_features_do_not_matter():
    x_ND, name_N, group_N = shown()
    gain_D = 10.0 ** np.arange(-3, 3)
    one = ReadOut.fit(x_ND, name_N, group_N).shares(x_ND)
    other = ReadOut.fit(x_ND * gain_D + 7, name_N, group_N).shares(x_ND * gain_D + 7)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_repetition_is_told_by_the_others_alone(monkeypatch):
    """Cross-validation leaves out whole takes: what is asked was in no fit, and each window is asked once."""
    x_ND, name_N, group_N = shown()
    group_N = np.where(group_N == 0, 99, group_N)  # numbers need not follow each other
    fits, real = [], Discriminant.fit
    monkeypatch.setattr(readout.Discriminant, "fit", lambda x, t, s=None: fits.append(x) or real(x, t, s))
    found = ReadOut.fit(x_ND, name_N, group_N)
    take_of = {x.tobytes(): g for x, g in zip(x_ND, group_N, strict=True)}
    folds = [{take_of[row.tobytes()] for row in x} for x in fits[1:4]]
    left_out = [set(group_N.tolist()) - fold for fold in folds]
    assert all(len(out) == 4 for out in left_out)  # one take of each name
    assert set.union(*left_out) == set(group_N.tolist())
    for x, fold in zip(fits[1:4], folds, strict=True):
        assert len(x) == np.isin(group_N, list(fold)).sum()
    outside = [{take_of[row.tobytes()] for row in x} for x in fits[4:]]
    assert len(outside) == 3  # each gesture is left out once, rest never
    assert found.checked is not None and found.checked.accuracy > 0.95


def test_checked_counts_what_got_which_name():
    x_ND, name_N, group_N = shown(apart=0.0, takes=2)  # nothing can be told
    far = np.where((name_N == "fist")[:, None], x_ND + 40, x_ND)
    checked = ReadOut.fit(far, name_N, group_N).checked
    assert isinstance(checked, Checked)
    recall = dict(zip(checked.names, checked.recall, strict=True))
    assert recall["fist"] == 1 and max(recall["point"], recall["rest"], recall["spread"]) < 0.9
    for one, (other, share) in zip(checked.names, checked.taken, strict=True):
        assert (other, share) == ("", 0) if one == "fist" else other not in ("fist", one)
        assert one == "fist" or 0.1 < share <= 1 - recall[one] + 1e-9
    assert checked.accuracy == pytest.approx(np.mean(checked.recall))


def test_a_name_with_one_repetition_is_not_checked_but_told():
    x_ND, name_N, group_N = shown()
    kept = (name_N != "fist") | (group_N < 10)
    found = ReadOut.fit(x_ND[kept], name_N[kept], group_N[kept])
    assert found.checked is not None
    recall = dict(zip(found.checked.names, found.checked.recall, strict=True))
    assert np.isnan(recall.pop("fist")) and min(recall.values()) > 0.9
    assert found.checked.accuracy == pytest.approx(np.mean(list(recall.values())))


def test_one_repetition_has_a_confidence_but_no_check():
    x_ND, name_N, group_N = shown(takes=1)
    later = shown(takes=1, seed=5)
    found = ReadOut.fit(x_ND, name_N, group_N)
    assert found.checked is None
    p_NE = found.shares(later[0])
    right_N = np.array(found.names)[p_NE[:, :-1].argmax(axis=1)] == later[1]
    assert right_N.mean() > 0.95
    assert np.median(p_NE.max(axis=1)) > 0.6


def test_what_was_never_shown_is_none_of_them():
    names = ("rest", "a", "b", "c", "d", "e")
    x_ND, name_N, group_N = shown(names, takes=4, width=12, apart=10)
    known_N = name_N != "e"
    found = ReadOut.fit(x_ND[known_N], name_N[known_N], group_N[known_N])
    again = shown(names, takes=2, width=12, apart=10, seed=8)
    none_N = found.shares(again[0])[:, -1]
    assert np.median(none_N[again[1] == "e"]) > 0.8
    assert np.median(none_N[again[1] != "e"]) < 0.2


@pytest.mark.parametrize("names", [("rest",), ("fist",), ("rest", "fist"), ("fist", "point")])
def test_few_names(names):
    x_ND, name_N, group_N = shown(names, takes=2)
    found = ReadOut.fit(x_ND, name_N, group_N)
    p_NE = found.shares(np.concatenate([x_ND, x_ND + 100]))
    assert p_NE.shape == (2 * len(x_ND), len(names) + 1)
    np.testing.assert_allclose(p_NE.sum(axis=1), 1)
    assert np.median(p_NE[: len(x_ND), -1]) < 0.5 and p_NE[len(x_ND) :, -1].min() > 0.95


def test_columns_that_never_change_and_one_window_of_a_name():
    x_ND, name_N, group_N = shown(width=5)
    dead = np.column_stack([x_ND, np.full(len(x_ND), -69.0)])
    found, without = (ReadOut.fit(x, name_N, group_N) for x in (dead, x_ND))
    np.testing.assert_allclose(found.shares(dead + np.array([0, 0, 0, 0, 0, 50])), without.shares(x_ND))
    few = np.flatnonzero((name_N != "fist") | (np.cumsum(name_N == "fist") == 1))
    assert np.isfinite(ReadOut.fit(x_ND[few], name_N[few], group_N[few]).shares(x_ND)).all()
    same = ReadOut.fit(np.zeros((6, 3)), ["a", "a", "a", "b", "b", "b"], [0, 0, 1, 2, 2, 3])
    assert np.isfinite(same.shares(np.ones((1, 3)))).all()


def test_more_features_than_windows():
    x_ND, name_N, group_N = shown(windows=4, takes=2, width=200, apart=30)
    found = ReadOut.fit(x_ND, name_N, group_N)
    again = shown(windows=4, takes=2, width=200, apart=30, seed=3)
    assert (np.array(found.names)[found.shares(again[0])[:, :-1].argmax(axis=1)] == again[1]).mean() > 0.9


def test_refusals():
    x_ND, name_N, group_N = shown()
    with pytest.raises(UserError, match="no windows"):
        ReadOut.fit(np.zeros((0, 3)), [], [])
    with pytest.raises(UserError, match="repetition 0 is of both"):
        ReadOut.fit(x_ND, name_N, group_N // 10)
    x_ND[3, 2] = np.nan
    with pytest.raises(UserError, match="not finite"):
        ReadOut.fit(x_ND, name_N, group_N)
