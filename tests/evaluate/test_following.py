"""A stream that follows its person, against the whole recording's function, and what must not go wrong."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from cpep.evaluate.following import ALIKE, EACH, FIRST, HALVES, MOST, PULL, Following
from cpep.evaluate.person import Prior, personal_shares

K, F = 6, 8
PRIOR = Prior(np.zeros((K, F)), np.full(F, 3.0))


def stream(gestures, seed=0, windows=10, noise=0.2):
    """Return windows of a person who makes gestures in turn with rests between: (z, evidence, moving, gesture)."""
    rng = np.random.default_rng(seed)
    mean_KF = 3 * np.random.default_rng(9).normal(size=(K, F))
    for gesture in gestures:
        for at in range(windows + 3):
            moving = at < windows
            z_F = (mean_KF[gesture] if moving else 0) + noise * rng.normal(size=F)
            evidence_K = 1.0 * (np.arange(K) == gesture) + 0.8 * rng.normal(size=K)
            yield z_F, evidence_K, moving, gesture


def followed(gestures, one=None, **how):
    """Return what is followed, and the answers (N, K) to the windows of movements with what they were."""
    one = one or Following(PRIOR, least=3, held=60)
    share, truth = [], []
    for z_F, evidence_K, moving, gesture in stream(gestures, **how):
        if moving:
            share.append(one.shares(z_F, evidence_K))
            truth.append(gesture)
        one.hear(z_F, evidence_K, moving, moving)
    return one, np.array(share), np.array(truth)


TURNS = [0, 1, 2, 3, 4, 5] * 4


def test_a_stream_that_is_fed_once_gives_the_answers_of_the_movements_so_far():
    _, share_NK, _ = followed(TURNS)
    movements, evidences, kinds, at, now = [], [], [], 0, []
    for z_F, evidence_K, moving, _ in stream(TURNS):
        if not moving:
            if now:
                mean_F = np.mean([z for z, _ in now], axis=0)
                away = [np.mean((np.mean([m for m, k in zip(movements, kinds, strict=True) if k == kind], axis=0)
                                 - mean_F) ** 2) for kind in range(len(set(kinds)))]  # fmt: skip
                kinds.append(int(np.argmin(away)) if away and min(away) < ALIKE else len(set(kinds)))
                movements.append(mean_F)
                evidences.append(np.mean([e for _, e in now], axis=0))
                now = []
            continue
        wanted_K = softmax(evidence_K)
        if movements:
            evidence = evidence_K[None], np.array(evidences)
            adapted_K = personal_shares(z_F[None], np.array(movements), PRIOR, evidence, halves=HALVES)[0]
            count = max(sum(min(kinds.count(kind), EACH) for kind in set(kinds)) - FIRST * K, 0)
            weight = count / (count + PULL * K)
            wanted_K = (1 - weight) * wanted_K + weight * adapted_K
        np.testing.assert_allclose(share_NK[at], wanted_K, rtol=1e-9)
        now.append((z_F, evidence_K))
        at += 1
    assert at == len(share_NK)
    assert weight > 0.3


def test_it_learns_a_person_whose_gestures_are_apart():
    one, share_NK, truth_N = followed(TURNS * 2)
    right_N = share_NK.argmax(axis=1) == truth_N
    assert right_N[:120].mean() < 0.7
    assert right_N[-120:].mean() > right_N[:120].mean() + 0.15
    assert (one.movements, one.kinds) == (48, 6)


def test_the_first_movements_are_told_without_adaptation_and_forgetting_begins_anew():
    one, share_NK, _ = followed(TURNS)
    alone_NK = softmax([evidence for _, evidence, moving, _ in stream(TURNS) if moving], axis=1)
    first = 10 * round(FIRST * K)
    np.testing.assert_allclose(share_NK[:first], alone_NK[:first])
    assert np.abs(share_NK[first + 10 :] - alone_NK[first + 10 :]).max() > 0.01
    one.forget()
    assert (one.movements, one.kinds, one.weight) == (0, 0, 0)
    np.testing.assert_array_equal(followed(TURNS, one)[1], share_NK)


def test_a_gesture_that_is_held_counts_once_by_its_first_windows():
    short, long = (followed([0, 1, 2], windows=windows)[0] for windows in (60, 6000))
    assert (long.movements, long.kinds) == (3, 3)
    again = Following(PRIOR, least=3, held=60)
    for z_F, evidence_K, moving, _ in list(stream([0], windows=6000))[:6000]:
        again.hear(z_F, evidence_K, moving, moving)
    assert again.movements == 0  # it has not ended
    assert long.weight == short.weight


def test_one_gesture_again_and_again_changes_no_answer():
    one, share_NK, _ = followed([0] * 60)
    assert (one.movements, one.kinds, one.weight) == (60, 1, 0)
    np.testing.assert_allclose(share_NK, softmax([e for _, e, moving, _ in stream([0] * 60) if moving], axis=1))


def test_memory_is_bounded_and_a_rare_movement_stays():
    one, *_ = followed([3] + [0, 1] * (MOST // 2 + 10), windows=3)
    assert (one.movements, one.kinds) == (MOST, 3)


def test_short_and_unsettled_movements_do_not_count():
    one = Following(PRIOR, least=3, held=60)
    for z_F, evidence_K, moving, _ in stream(TURNS, windows=2):
        one.hear(z_F, evidence_K, moving, moving)
    for z_F, evidence_K, moving, _ in stream(TURNS):
        one.hear(z_F, evidence_K, moving, False)
    assert one.movements == 0
