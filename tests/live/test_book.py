from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.base import clone, is_classifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

from cpep.evaluate.knn import unit_rows
from cpep.live.book.book import GestureBook
from cpep.live.book.entries import UNKNOWN, Background, Kept
from cpep.live.book.poses import held, pose_windows
from cpep.simulate.gestures import GESTURES
from cpep.types import UserError
from tests.live.unsealed import unseal


@pytest.fixture(scope="module")
def model(untrained):
    return untrained()


def pose(name):
    return GESTURES[name].pose_J[:20].astype(np.float32)


def clusters(names, windows=40, width=16, seed=0, spread=0.3):
    """EMG embeddings around one direction a gesture."""
    rng = np.random.default_rng(seed)
    centre = {name: np.random.default_rng(sum(map(ord, name))).normal(size=width) for name in names}
    label_N = np.repeat(names, windows)
    x_ND = np.stack([centre[name] + spread * rng.normal(size=width) for name in label_N])
    return x_ND.astype(np.float32), label_N


def test_a_pose_set_by_hand_is_a_gallery_of_its_variants(model):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    book.add("spread", pose("spread"))
    assert book.names == ("fist", "spread")
    np.testing.assert_allclose(book.pose_of("fist"), pose("fist"), atol=0.08)
    exact_1JS = torch.from_numpy(held(pose("spread"), 100, 100.0)[:1]).transpose(1, 2)
    x_1D = model.encode_pose(exact_1JS).numpy()
    assert book.predict_proba(x_1D)[0].argmax() == 1
    np.testing.assert_array_equal(book.pose_at(50), book.entries[1].pose_GJ[2])
    assert np.abs(book.pose_at(0) - pose("fist")).max() < 0.06


def test_a_book_is_a_classifier_of_scikit_learn(model):
    x_ND, y_N = clusters(["fist", "open", "point"])
    book = GestureBook(model, false_alarms=0.2).fit(x_ND, y_N)
    assert book.classes_.tolist() == ["fist", "open", "point", UNKNOWN]
    assert book.predict_proba(x_ND).shape == (len(x_ND), len(book.classes_))
    assert book.score(x_ND, y_N) == np.mean(book.predict(x_ND) == y_N) > 0.9
    assert book.get_params()["false_alarms"] == 0.2 and set(book.get_params()) == {
        "model",
        "background",
        "false_alarms",
    }
    assert is_classifier(book)
    with pytest.raises(UserError, match="GestureBook has no setting k; it has model, background, false_alarms"):
        book.set_params(k=3)
    fresh = clone(book).set_params(false_alarms=0.3)
    assert fresh.false_alarms == 0.3
    fresh = clone(book)
    assert fresh.false_alarms == 0.2 and fresh.names == () and "no gesture" in repr(fresh)
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    assert cross_val_score(GestureBook(model), x_ND, y_N, cv=folds).min() > 0.9
    names = np.random.default_rng(0).permutation(y_N)  # names that say nothing are not told
    assert cross_val_score(GestureBook(model), x_ND, names, cv=folds).mean() < 0.5


@pytest.mark.parametrize("given", [torch.from_numpy, lambda x: x.astype(np.float64), lambda x: x.tolist()])
def test_a_book_takes_all_kinds_of_numbers_alike(model, given):
    x_ND, y_N = clusters(["fist", "open"])
    books = GestureBook(model).fit(x_ND, y_N), GestureBook(model).fit(given(x_ND), y_N)
    for book, pose_J in zip(books, (pose("spread"), given(pose("spread"))), strict=True):
        book.add("spread", pose_J)
    np.testing.assert_array_equal(books[0].predict_proba(x_ND), books[1].predict_proba(given(x_ND)))
    with pytest.raises(UserError, match=r"embeddings of shape \(16,\); this book takes \(windows, 16\)"):
        books[0].predict(x_ND[0])
    with pytest.raises(UserError, match="x_ND is of type"):
        books[0].predict([["a"]])


def test_the_first_variant_is_the_pose_as_set_and_the_others_differ():
    windows_NSJ = held(pose("fist"), 100, 100.0)
    assert np.abs(windows_NSJ[0] - pose("fist")).max() < 0.06  # sway alone
    assert 0.05 < windows_NSJ.mean(axis=1).std(axis=0).mean() < 0.15
    np.testing.assert_array_equal(windows_NSJ, held(pose("fist"), 100, 100.0))


def test_recorded_poses_are_cut_into_windows(model):
    recording_SJ = np.tile(pose("fist"), (260, 1))
    assert pose_windows(model.card, recording_SJ, "fist").shape == (7, 100, 20)
    windows_NSJ = np.tile(pose("fist"), (3, 100, 1))
    assert pose_windows(model.card, windows_NSJ, "fist") is windows_NSJ


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (np.zeros(19), "20 joints"),
        (np.zeros((50, 20)), "one window takes 100"),
        (np.full(20, np.nan), "not finite"),
        (np.zeros((2, 90, 20)), "windows of 90 frames"),
    ],
)
def test_poses_that_do_not_fit_are_refused_by_name(model, shown, sentence):
    with pytest.raises(UserError, match=f"wave.*{sentence}"):
        GestureBook(model).add("wave", shown)


def test_fit_predict_as_scikit_learn_does(model):
    x_ND, y_N = clusters(("rest", "fist", "ok"))
    other_ND, other_N = clusters(("rest", "fist", "ok"), seed=1)
    book = GestureBook(model).fit(x_ND, y_N)
    assert (book.predict(other_ND) == other_N).mean() > 0.98
    p_NE = book.predict_proba(other_ND)
    assert p_NE.shape == (120, 4)
    np.testing.assert_allclose(p_NE.sum(axis=1), 1, rtol=1e-6)


def test_without_a_background_what_is_far_from_all_is_still_rejected(model):
    x_ND, y_N = clusters(("rest", "fist", "ok"))
    book = GestureBook(model).fit(x_ND, y_N)
    assert (book.predict(-x_ND[y_N == "fist"]) == UNKNOWN).mean() > 0.9
    assert np.isnan(book.calibration.false_alarms)


def test_an_entry_of_one_vector_is_not_shown_by_whatever_is_nearest(model):
    x_ND, y_N = clusters(("fist", "ok"), 80)
    pose_ND = unit_rows(np.concatenate([x_ND, -x_ND[:40]]))  # the last forty show nothing of the book
    background = Background(unit_rows(clusters(("fist", "ok", "claw"), 80)[0])[:200], pose_ND, np.full(200, ""))
    book = GestureBook(model, background).fit(x_ND, y_N)
    book.add_emg("lone", np.random.default_rng(9).normal(size=(1, 16)).astype(np.float32))
    assert (book._target_N[:160] >= 0).mean() > 0.9
    assert (book._target_N == 2).sum() == 0  # though some of the last forty have nothing nearer


def test_what_is_in_no_entry_is_rejected_at_the_stated_rate(model):
    x_ND, y_N = clusters(("rest", "fist", "ok"), spread=1.0)
    known_ND, known_N = clusters(("rest", "fist", "ok", "claw", "four", "gun"), 200, seed=1, spread=1.0)
    background = Background(known_ND, np.zeros((len(known_ND), 0), np.float32), known_N)
    book = GestureBook(model, background, false_alarms=0.05).fit(x_ND, y_N)
    assert book.calibration.false_alarms == pytest.approx(0.05, abs=0.01)
    new_ND, new_N = clusters(("rest", "fist", "ok", "claw", "four", "gun"), 200, seed=2, spread=1.0)
    told_N = book.predict(new_ND)
    outside_N = np.isin(new_N, ("claw", "four", "gun"))
    assert np.isin(told_N[outside_N], ("fist", "ok")).mean() < 0.09
    assert (told_N[new_N == "fist"] == "fist").mean() > 0.4
    assert (told_N == UNKNOWN).any()


def test_entries_that_cannot_be_told_apart_are_named_when_added(model):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    assert book.add("open", pose("spread")) == ()
    assert book.add("punch", pose("fist") + np.float32(0.01)) == ("fist",)


def test_background_shows_pairs_that_emg_does_not_tell_apart(model):
    x_ND, y_N = clusters(("fist", "ok"))
    mixed_ND, _ = clusters(("fist",), 80, seed=4)
    names_N = np.array(["fist", "ok"] * 40)
    background = Background(mixed_ND, np.zeros((80, 0), np.float32), names_N)
    book = GestureBook(model, background)
    assert book.add_emg("fist", x_ND[y_N == "fist"]) == ()
    assert book.add_emg("ok", x_ND[y_N == "ok"]) == ("fist",)


def test_save_and_load(model, tmp_path):
    book = GestureBook(model, false_alarms=0.2)
    book.add("fist", pose("fist"))
    book.add("ok", pose("ok"))
    book.save(tmp_path / "my.book")
    again = GestureBook.load(tmp_path / "my.book", model)
    assert again.names == book.names
    assert again.false_alarms == 0.2
    np.testing.assert_allclose(again.vector_GD, book.vector_GD, atol=1e-3)
    np.testing.assert_allclose(again.pose_of("ok"), book.pose_of("ok"), atol=1e-2)
    x_ND = book.vector_GD[::7]
    np.testing.assert_allclose(again.predict_proba(x_ND), book.predict_proba(x_ND), atol=0.02)
    book.remove("fist")
    book.save(tmp_path / "my.book")
    assert GestureBook.load(tmp_path / "my.book", model).names == ("ok",)


def test_a_copy_changes_on_its_own(model):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    other = book.copy()
    other.add("ok", pose("ok"))
    assert (book.names, other.names) == (("fist",), ("fist", "ok"))


def test_what_is_no_book_is_refused(model, tmp_path):
    book = GestureBook(model)
    book.add("fist", pose("fist"))
    book.save(tmp_path / "my.book")
    book.entries = (replace(book.entries[0], name="${oc.env:HOME}"),)
    book.save(tmp_path / "asking.book")
    with pytest.raises(UserError, match=r"asking\.book: names\[0\] holds '\$\{oc\.env:HOME\}'"):
        GestureBook.load(tmp_path / "asking.book", model)
    (tmp_path / "text.book").write_text("no book")
    with pytest.raises(UserError, match="is a folder; name a gesture book"):
        GestureBook.load(tmp_path, model)
    with pytest.raises(UserError, match="no gesture book"):
        GestureBook.load(tmp_path / "text.book", model)
    with pytest.raises(UserError, match="does not exist"):
        GestureBook.load(tmp_path / "none.book", model)


def note_of(path):
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["cpep"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """A book with a gesture of each kind, and a background."""
    path, rng = tmp_path_factory.mktemp("book") / "my.book", np.random.default_rng(0)
    x_ND, y_N = clusters(["fist", "open"])
    kept = Kept(emg_GTC=rng.normal(size=(40, 4, 16)), session_G=np.zeros(40, np.int16))
    known = Background(unit_rows(x_ND), unit_rows(x_ND), y_N)
    book = GestureBook(model, known)
    book.add("spread", pose("spread"))
    book.add_emg("fist", x_ND[y_N == "fist"], kept)
    book.save(path)
    unseal(path)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda note, arrays: note.update(format=9), "another format of books"),
        (lambda note, arrays: note.update(names=["spread"]), "'emg.1' is missing, or belongs to no gesture"),
        (lambda note, arrays: note.update(names=["spread", "spread"]), "two gestures have one name"),
        (lambda note, arrays: note.update(names=["spread", "unknown"]), "'unknown' cannot be the name"),
        (lambda note, arrays: note.update(names="ab"), "names: expected a list, got a text"),
        (lambda note, arrays: note.update(model=7), "model: expected a text, got an integer"),
        (lambda note, arrays: note.update(false_alarms=-1), "false_alarms: expected a number >= 0"),
        (lambda note, arrays: note.update(level=1e300), "level: expected a number <= 1e"),
        (lambda note, arrays: note.update(rate=1e-300), "which no book has"),
        (lambda note, arrays: note.update(background=["rest"]), "emg has the shape"),
        (lambda note, arrays: note.update(kept_background=[None]), r"kept_background\[0\]: expected a text"),
        (lambda note, arrays: note["device"].update(channels=3, ring=[]), "emg.1 has the shape"),
        (lambda note, arrays: note["device"].update(anchor_names=["a"]), "pose.0 has the shape"),
        (lambda note, arrays: note.pop("device"), "the field device is missing"),
        (lambda note, arrays: arrays.pop("vector.0"), "'vector.0' is missing"),
        (lambda note, arrays: arrays.update(odd=arrays["emg"]), "'odd' is missing, or belongs to no gesture"),
        (lambda note, arrays: arrays["vector.0"].fill(np.nan), "vector.0 has values that are not finite"),
        (lambda note, arrays: arrays["emg.1"].fill(np.inf), "emg.1 has values that are not finite"),
        (lambda note, arrays: arrays["session.1"].fill(-2), "does not number the windows"),
        (lambda note, arrays: arrays.update({"session.1": arrays["session.1"][:3]}), "session.1 has the shape"),
        (lambda note, arrays: arrays.update({"session.1": arrays["session.1"][:0]}), "does not number the windows"),
        (lambda note, arrays: arrays.update({"vector.0": arrays["vector.0"][:3]}), "0 has the shape"),
        (lambda note, arrays: arrays.update({"vector.0": arrays["vector.0"][:, :3]}), "vector.0 has the shape"),
        (lambda note, arrays: arrays.update({"vector.0": np.zeros((0, 16), np.float16)}), "0 has the shape"),
        (lambda note, arrays: arrays.update({"emg": arrays["emg"].astype(np.float32)}), "emg is F32, not F16"),
        (lambda note, arrays: arrays.update(_narrow(arrays)), "vectors of 8 values, and its checkpoint makes 16"),
    ],
)
def test_what_is_wrong_with_a_book_is_said(model, written, tmp_path, change, said):
    note, arrays = note_of(written)
    GestureBook.load(written, model)
    change(note, arrays)
    save_file(
        {name: np.ascontiguousarray(x) for name, x in arrays.items()},
        tmp_path / "my.book",
        {"cpep": json.dumps(note)},
    )
    with pytest.raises(UserError, match=rf"my\.book.*{said}"):
        GestureBook.load(tmp_path / "my.book", model)


def _narrow(arrays):
    """Return all vectors with half of their values."""
    return {name: x[:, :8] for name, x in arrays.items() if name in ("emg", "pose") or name.startswith("vector")}


def test_damaged_bytes_of_a_book_are_a_sentence_or_read(model, written, tmp_path):
    draw, whole, refused = random.Random(20), written.read_bytes(), 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(3):
            data[min(draw.randrange(len(data)), draw.randrange(len(data) // 10))] ^= 1 << draw.randrange(8)
        (tmp_path / "my.book").write_bytes(data[: draw.choice((len(data), draw.randrange(len(data))))])
        try:
            GestureBook.load(tmp_path / "my.book", model)
        except UserError:
            refused += 1
    assert refused > 30


def test_users_mistakes_are_sentences(model):
    book = GestureBook(model)
    with pytest.raises(UserError, match="the book is empty"):
        book.predict(np.zeros((1, 16), np.float32))
    for name in ("", "  ", UNKNOWN):
        with pytest.raises(UserError, match="cannot be the name"):
            book.add(name, pose("fist"))
    with pytest.raises(UserError, match=r"name of a gesture holds '\$\{oc\.env:HOME\}'"):
        book.add("${oc.env:HOME}", pose("fist"))
    with pytest.raises(UserError, match="has no gesture 'ok'"):
        book.remove("ok")
    with pytest.raises(UserError, match="at least one window"):
        book.add_emg("ok", np.zeros((0, 16), np.float32))


def test_a_book_carries_a_checksum(model, tmp_path):
    path, book = tmp_path / "my.book", GestureBook(model)
    book.add("spread", pose("spread"))
    book.save(path)
    assert GestureBook.load(path, model).names == ("spread",)
    sound, (note, arrays) = path.read_bytes(), note_of(path)
    assert note["format"] == 4 and len(note["sum"]) == 16
    for change in ({"false_alarms": 0.5}, {"format": 2}, {"sum": "0" * 16}):
        save_file(arrays, path, {"cpep": json.dumps(note | change)})
        with pytest.raises(UserError, match="damaged: its content does not fit its checksum"):
            GestureBook.load(path, model)
    del note["sum"]
    save_file(arrays, path, {"cpep": json.dumps(note)})
    with pytest.raises(UserError, match="damaged"):
        GestureBook.load(path, model)
    for at in (len(sound) - 1, len(sound) - 700):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(UserError, match="damaged"):
            GestureBook.load(path, model)
