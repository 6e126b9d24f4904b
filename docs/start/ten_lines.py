"""Ten lines: gestures of people never met, and a gesture that is added by its pose."""

import sklearn
from sklearn.model_selection import GroupKFold, cross_val_score

import cpep

sklearn.set_config(enable_metadata_routing=True)  # people reach fit and score, not the splitter alone
X, y, people, pose = cpep.simulate.people(users=4)  # windows x 16 channels x 2000 samples; names; who; joint angles
model = cpep.sklearn.CpepClassifier("shipped", sfreq=2000)
scores = cross_val_score(model, X, y, params={"groups": people}, cv=GroupKFold(4))
print("people left out:", scores.round(2), "chance:", round(1 / len(set(y)), 2))
model.fit(X, y, groups=people)
model.add_gesture("shaka", cpep.simulate.GESTURES["shaka"].pose_J[:20])  # one pose of 20 joints; no EMG of it
new = cpep.simulate.people(users=1, seed=1, gestures=["fist", "point", "shaka"])  # somebody else
for name in set(new.y):
    print(name, "is told as", model.predict(new.X, groups="new")[new.y == name].tolist())
