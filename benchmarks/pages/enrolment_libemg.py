"""LibEMG on the windows of benchmarks/pages/enrolment.py, which calls this in an environment of its own.

LibEMG as its documentation has it: Hudgins' time-domain features (group HTD), its LDA, a majority vote over five
windows, rejection below a confidence of .9. It gets the same conditioned EMG, the same windows and the same labels.
"""

import json
import sys

import numpy as np
from libemg.emg_predictor import EMGClassifier
from libemg.feature_extractor import FeatureExtractor

VOTES, REJECTION = 5, 0.9
CHECKED = 200


class Quick(EMGClassifier):
    """LibEMG's classifier with its vote for all windows at once; the first are compared with its own."""

    def _majority_vote_helper(self, predictions):
        labels = np.unique(predictions)
        total_NK = np.cumsum(predictions[:, None] == labels, axis=0)
        total_NK[VOTES:] = total_NK[VOTES:] - total_NK[:-VOTES]
        voted_N = labels[total_NK.argmax(axis=1)]  # of several the smallest, as scipy.stats.mode has it
        assert (voted_N[:CHECKED] == super()._majority_vote_helper(predictions[:CHECKED])).all()
        return voted_N


def features(emg_NTC):
    """Return Hudgins' features (N, F) of windows (N, T, C)."""
    found = FeatureExtractor().extract_feature_group("HTD", emg_NTC.transpose(0, 2, 1).astype(np.float64))
    return np.hstack([found[name] for name in ("MAV", "ZC", "SSC", "WL")])


def main(source, target):
    """Answer every run of the first file in the second."""
    with np.load(source) as file:
        runs = json.loads(str(file["runs"]))
        people = [features(file[f"emg.{n}"]) for n in range(len(file.files) - 1)]
    out = {}
    for n, run in enumerate(runs):
        x_NF, classifier = people[run["person"]], Quick("LDA")
        shown = {"training_features": x_NF[run["shown"]], "training_labels": np.array(run["label"])}
        classifier.fit(feature_dictionary=shown)
        asked_NF = x_NF[run["asked"]]
        out[f"{n}/share"] = classifier.model.predict_proba(asked_NF)
        classifier.add_majority_vote(VOTES)
        out[f"{n}/voted"] = classifier.run(asked_NF)[0]
        classifier.add_rejection(REJECTION)
        out[f"{n}/told"] = classifier.run(asked_NF)[0]
    np.savez(target, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
