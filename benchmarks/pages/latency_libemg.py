"""LibEMG's time from the last sample to its answer, which benchmarks/streaming.py measures for cpep.

It runs in an environment of its own (docs/results/live.md). A step is what LibEMG's online classifier does with the
newest window of 200 ms (16 channels, 2 kHz), without the socket: the features HTD, LDA, rejection below .9, a
majority vote of five. Times are processor time, of one core.
"""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import time
from collections import deque

import numpy as np
from libemg.emg_predictor import EMGClassifier
from libemg.feature_extractor import FeatureExtractor

CHANNELS, WINDOW, HOP, CLASSES, VOTES, REJECTED = 16, 400, 100, 9, 5, 0.9
TRAINED, WARM, STEPS = 900, 40, 2000
FEATURES = ["MAV", "ZC", "SSC", "WL"]


def main() -> None:
    """Fit on noise, whose loudness is the class; print median and 99th percentile of a step."""
    rng, extractor, classifier = np.random.default_rng(0), FeatureExtractor(), EMGClassifier("LDA")
    name_N = np.arange(TRAINED) % CLASSES
    windows_NCT = (1 + name_N[:, None, None]) * rng.normal(size=(TRAINED, CHANNELS, WINDOW))
    found = extractor.extract_features(FEATURES, windows_NCT)
    shown = {"training_features": np.hstack([found[name] for name in FEATURES]), "training_labels": name_N}
    classifier.fit(feature_dictionary=shown)
    classifier.add_rejection(REJECTED)
    window_1CT, last, times = rng.normal(size=(1, CHANNELS, WINDOW)), deque[int](maxlen=VOTES), []
    for _ in range(WARM + STEPS):
        hop_CT = rng.normal(size=(CHANNELS, HOP))
        begun = time.process_time()
        window_1CT = np.concatenate([window_1CT[:, :, HOP:], hop_CT[None]], axis=2)
        found = extractor.extract_features(FEATURES, window_1CT)
        share_1K = classifier.model.predict_proba(np.hstack([found[name] for name in FEATURES]))
        name_1, sure_1 = classifier._prediction_helper(share_1K)
        last.append(classifier._rejection_helper(name_1[0], sure_1[0]))
        names, counts = np.unique(list(last), return_counts=True)
        names[np.argmax(counts)]
        times.append(1000 * (time.process_time() - begun))
    print(
        "LibEMG, last sample to answer, ms: median {:.2f}, 99 % {:.2f}".format(
            *np.quantile(times[WARM:], (0.5, 0.99))
        )
    )


if __name__ == "__main__":
    main()
