"""Write golden_tiny.json anew: ``make golden`` after a deliberate change of what training computes."""

import json
import tempfile
from pathlib import Path

from cpep.data.splits import make_splits
from cpep.data.store.prepare import prepare
from tests.synthetic import write_db1
from tests.train.test_stages import GOLDEN, golden

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = prepare(write_db1(folder / "raw", users=8), folder / "store")
        split = make_splits(store, unseen=("3", "6", "9", "12"))[0]
        GOLDEN.write_text(json.dumps(golden(store, split, folder / "run"), indent=1) + "\n")
