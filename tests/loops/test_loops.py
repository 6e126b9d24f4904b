"""The scripts of docs/how-to/loops train and lower their loss, on a few seconds of a few people."""

import importlib
import sys
from pathlib import Path

import pytest

LOOPS = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "loops"
SMALL = {"count": 3, "minutes": 0.5}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """Return a function from the name of a script to its module; all of them find the same people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LOOPS))
        importlib.import_module("people").FOLDER = tmp_path_factory.mktemp("loops")
        yield importlib.import_module
    for name in ("people", "plain", "with_lightning", "with_skorch"):
        sys.modules.pop(name, None)


def test_a_plain_loop(script, capsys):
    losses, before, after = script("plain").main(steps=12, **SMALL)
    assert len(losses) == 12 and sum(losses[-3:]) < 0.8 * sum(losses[:3])
    assert f"{before:.3f} before, {after:.3f} after" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")
def test_lightning(script, capsys, caplog):
    pytest.importorskip("pytorch_lightning", reason="Lightning is not installed (the extra loops)")
    losses, accuracy = script("with_lightning").main(steps=12, **SMALL)
    assert len(losses) == 12 and sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert f"{accuracy:.3f}" in capsys.readouterr().out
    assert "eval mode" not in caplog.text


@pytest.mark.parametrize("net", ["cpep", "ShallowFBCSPNet"])
@pytest.mark.filterwarnings("ignore")
def test_skorch_and_braindecode(script, net, capsys):
    pytest.importorskip("skorch", reason="skorch is not installed (the extra loops)")
    if net != "cpep":
        pytest.importorskip(
            "braindecode", reason="braindecode is not installed: it needs torchaudio, which cpep does not"
        )
    losses, _ = script("with_skorch").main(net=net, epochs=5, **SMALL)
    assert losses[-1] < 0.95 * losses[0]
