"""Gestures of people never met, and a gesture that is added by its pose alone: ten lines."""

from sklearn import model_selection, set_config

import cpep

set_config(enable_metadata_routing=True)  # so that people reach fit and score, too
X, y, people, pose = cpep.simulate.people(users=4)  # X: windows x 16 channels x 2000 samples; y: names of gestures
model, folds = cpep.sklearn.CpepClassifier("shipped", sfreq=2000), model_selection.GroupKFold(4)
print("people left out:", model_selection.cross_val_score(model, X, y, cv=folds, params={"groups": people}).round(2))
model.fit(X, y, groups=people).add_gesture("shaka", cpep.simulate.GESTURES["shaka"].pose_J[:20])  # no EMG of it
new = cpep.simulate.people(users=1, seed=7, gestures=[*cpep.simulate.SEEN, "shaka"])  # somebody else
told = model.predict(new.X, groups="somebody else")
print("told right:", (told == new.y).mean().round(2), "of shaka:", (told == new.y)[new.y == "shaka"].mean().round(2))
