"""Arrays of simulated people, as you may have them of real ones: replace ``people`` by what loads your own."""

from pathlib import Path
from tempfile import gettempdir

import numpy as np

from cpep.data import Split, Store, find_recordings, from_arrays, make_splits
from cpep.simulate import SEEN, UNSEEN, simulate_cohort

GESTURES = (*SEEN, *UNSEEN)
FOLDER = Path(gettempdir()) / "cpep-loops"


def people(count: int, minutes: float) -> Store:
    """Return a store of arrays of people whom the model that comes with cpep never met (another seed).

    Args:
        count: number of people.
        minutes: recorded of each.
    """
    folder = FOLDER / f"{count}_{minutes:g}"
    simulate_cohort(folder, users=count, minutes=minutes, seed=2026, workers=1)  # once; a second run finds it
    emg, labels, persons, sessions = [], [], [], []
    for source in find_recordings(folder):
        for recording in source.parts():
            emg.append(recording.emg_TC.T)  # (16, samples), at 2000 Hz
            labels.append(np.array([*recording.vocabulary, ""])[recording.label_T])  # -1, the last, is not labelled
            persons.append(recording.user)
            sessions.append(recording.session)
    # The simulated band delivers EMG in units of its noise, high-passed already.
    return from_arrays(
        emg, labels, rate=2000, people=persons, sessions=sessions, unit="noise_sd", ring=range(16), highpass_hz=0
    )


def divided(store: Store) -> Split:
    """Return who trains, who validates (one person), and who tests (a quarter)."""
    tested = max(1, len(store.users) // 4)
    return make_splits(store, test_users=store.users[-tested:], val_users=store.users[-tested - 1 : -tested])[0]
