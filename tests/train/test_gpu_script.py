"""benchmarks/gpu.py: runs tiny on a processor, and says so in a sentence where there is no GPU."""

import json
import math

import pytest
import torch
from benchmarks import gpu


def numbers(found):
    for value in found.values():
        yield from numbers(value) if isinstance(value, dict) else [value] * isinstance(value, float)


def test_it_runs_tiny_without_a_gpu(tmp_path, capsys):
    gpu.main(["--device", "cpu", "--out", str(tmp_path / "gpu.json")])
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {*found["auto"]} >= {"format", "product TF/s", "emg_mae", "cpep"} and found["fp32"]["format"] == "float32"
    assert {*found["fp32"]["emg_mae"]} == {"steps/s", "windows/s", "TF/s", "MFU beside product"}
    assert found["reading"]["windows/s"] > 0 and all(math.isfinite(n) and n > 0 for n in numbers(found))
    assert "say nothing of a machine" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path):
    with pytest.raises(SystemExit, match="finds no GPU here; --device cpu runs a tiny version"):
        gpu.main(["--out", str(tmp_path / "gpu.json")])
    assert not (tmp_path / "gpu.json").exists()
