"""The ten lines of Python: they run, and print what is better than chance."""

import contextlib
import io
import re
from pathlib import Path

import sklearn

SCRIPT = Path(__file__).parents[2] / "docs" / "start" / "ten_lines.py"


def test_the_ten_lines_with_fewer_people():
    text = SCRIPT.read_text(encoding="utf-8")
    shorter = text.replace("users=4", "users=2").replace("GroupKFold(4)", "GroupKFold(2)")
    assert shorter.count("2)") >= 2
    with contextlib.redirect_stdout(io.StringIO()) as shown, sklearn.config_context():  # the script sets one
        exec(compile(shorter, str(SCRIPT), "exec"), {})
    left_out, told = shown.getvalue().splitlines()
    accuracies = [float(number) for number in re.findall(r"\d\.\d*", left_out)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.22  # chance is 1 in 9
    right, of_shaka = (float(number) for number in re.findall(r"\d\.\d*", told))
    assert right > 0.3  # chance is 1 in 10
    assert of_shaka > 0.2
