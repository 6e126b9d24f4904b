"""Gestures of people never met, and a gesture that is added by its pose alone: ten lines."""

import sklearn
from sklearn.model_selection import GroupKFold, cross_val_score

import cpep

sklearn.set_config(enable_metadata_routing=True)  # so that people reach fit and score, too
X, y, people, pose = cpep.simulate.people(users=4)  # X: windows x 16 channels x 2000 samples; y: names of gestures
model = cpep.sklearn.CpepClassifier("shipped", sfreq=2000)
print("people left out:", cross_val_score(model, X, y, cv=GroupKFold(4), params={"groups": people}).round(2))
model.fit(X, y, groups=people).add_gesture("shaka", cpep.simulate.GESTURES["shaka"].pose_J[:20])  # no EMG of it
new = cpep.simulate.people(users=1, seed=7, gestures=["fist", "point", "shaka"])  # somebody else
told = model.predict(new.X, groups="somebody else")
print("told right:", {name: float((told[new.y == name] == name).mean().round(2)) for name in set(new.y)})
