"""
NumPy arrays and scikit-learn
=============================

You have EMG as a NumPy array, and you know scikit-learn. Here classical features and the model that comes with cpep
recognise nine classes, rest among them, on people whom neither of them was trained on. Both are estimators of
scikit-learn: pipelines, ``cross_validate`` and ``GroupKFold`` work as always.

You need cpep with the simulator, which makes the data of this example: ``pip install "cpep[sim]"``.
"""

# %%
# Windows of EMG
# --------------
# ``X`` is an array (windows, channels, samples), ``y`` has the name of the gesture of each window, and ``people``
# says who made it. Take your own arrays in their place. These are of six simulated people with 16 electrodes at 2000
# Hz; a window has one second, and one begins every half second.

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from cpep.simulate import people as simulated_people
from cpep.sklearn import CpepClassifier, EmgFeatures

X, y, people, _ = simulated_people(users=6, seed=0, hop_s=0.5)
names = list(np.unique(y))
print(X.shape, X.dtype)
print(", ".join(names))

# %%
# How strong each channel is tells gestures apart. The pattern of a person is not that of another one: wrists, muscles
# and the place of the band differ. This is what makes recognition of new people hard.

strength = np.log10(X.std(axis=2))
shown = ["person_0", "person_1", "person_2"]
figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True, layout="constrained")
for axes, person in zip(panels, shown, strict=True):
    rows = [strength[(people == person) & (y == name)].mean(axis=0) for name in names]
    image = axes.imshow(rows, aspect="auto", vmin=-0.2, vmax=2, cmap="viridis")
    axes.set(title=person.replace("_", " "), xlabel="channel", yticks=range(len(names)), yticklabels=names)
figure.colorbar(image, ax=panels, label="log10 of the SD of EMG\n(SD of the noise = 0)")

# %%
# Why people must be left out
# ---------------------------
# ``EmgFeatures`` turns windows into features, and any classifier of scikit-learn takes them. First the mistake that
# is made most often: windows are divided by chance. Then windows that overlap, and windows of the same person, lie on
# both sides, and the score says nothing about a new person. ``GroupKFold`` leaves out one person after the other.

features_and_lda = make_pipeline(EmgFeatures(sfreq=2000), LinearDiscriminantAnalysis())
mixed = cross_val_score(features_and_lda, X, y, cv=KFold(6, shuffle=True, random_state=0))
features = cross_val_score(features_and_lda, X, y, groups=people, cv=GroupKFold(6))
print(f"windows divided by chance: {mixed.mean():.2f} of windows told right")
print(f"people left out:           {features.mean():.2f}")

# %%
# The model that comes with cpep
# ------------------------------
# ``CpepClassifier`` is a pre-trained encoder with a linear read-out, which ``fit`` fits in seconds. Centre and spread
# of the EMG differ between people, so it standardises each person by their own windows, without labels. For that it
# must know who made which window. With metadata routing, ``people`` reaches the splitter, ``fit`` and ``score``.

sklearn.set_config(enable_metadata_routing=True)
model = CpepClassifier("shipped", sfreq=2000)
cpep = cross_val_score(model, X, y, cv=GroupKFold(6), params={"groups": people}, error_score="raise")
print(f"cpep, people left out:     {cpep.mean():.2f}")

# %%
# A fair comparison
# -----------------
# The features had no such help: nobody told the LDA who is who. So we give it to them, too. Each feature is centred
# and scaled by the person's own windows, again without labels.

standardised = EmgFeatures(sfreq=2000).fit_transform(X)
for person in np.unique(people):
    mine = people == person
    standardised[mine] = (standardised[mine] - standardised[mine].mean(axis=0)) / standardised[mine].std(axis=0)
helped = cross_val_score(LinearDiscriminantAnalysis(), standardised, y, cv=GroupKFold(6), params={"groups": people})
print(f"features standardised by person: {helped.mean():.2f}")

# %%
# A dot is a person who was left out; a line joins the dots of one person. Look at the spread before you look at the
# mean: with six people, a difference between two methods counts if most lines go the same way.

scores = {"features\n+ LDA": features, "features by\nperson + LDA": helped, "cpep\n(shipped)": cpep}
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
axes.plot(np.array(list(scores.values())), color="0.8", linewidth=1, zorder=1)
for place, (score, colour) in enumerate(zip(scores.values(), ["tab:gray", "tab:orange", "tab:blue"], strict=True)):
    axes.scatter(np.full(len(score), place), score, color=colour, zorder=2)
    axes.hlines(score.mean(), place - 0.2, place + 0.2, color=colour, linewidth=3)
    axes.text(place + 0.24, score.mean(), f"{score.mean():.2f}", va="center", color=colour)
chance = 1 / len(names)
axes.axhline(chance, color="0.5", linestyle=":")
axes.text(-0.45, chance + 0.01, "chance", color="0.5")
axes.set(xticks=range(len(scores)), xticklabels=scores, xlim=(-0.5, 2.6), ylim=(0, 1))
axes.set(ylabel="share of windows told right")

better = int((cpep > helped).sum())
print(f"cpep is ahead of the standardised features for {better} of {len(cpep)} people")

# sphinx_gallery_thumbnail_number = 2

# %%
# What this does not say
# ----------------------
# The two did not see equally much. The encoder of cpep was pre-trained on other simulated people with the same band
# and the same eight gestures; the features were fitted on five people alone. None of the six people was in its
# training. On real hands the difference is another one: :doc:`/results/index` has what was measured there.
#
# The shipped model takes 16 channels at 2000 Hz. For another band leave the checkpoint out: then ``fit`` trains an
# encoder on ``X``, which takes minutes, and ``pose=`` aligns it to poses. If your data are files, begin with
# :doc:`/gallery/plot_csv_folder`; if you want a training loop of your own, with :doc:`/how-to/loops`.
