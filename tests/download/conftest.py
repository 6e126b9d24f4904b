import pytest

from cpep.cli.main import main
from cpep.data.readers.emg2pose import MetadataRow, write_metadata, write_recording
from cpep.download import connections
from cpep.download.plan import MINI, TABLE, TAR
from tests.data.samples import emg2pose_like
from tests.download.mirror import STAGES, packed
from tests.download.nemar_server import SIGNATURE, nemar
from tests.download.nemar_set import SET, table
from tests.download.range_server import serving


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder of twelve recordings of three users, with metadata.csv of these and one that is in no tar."""
    folder = tmp_path_factory.mktemp("emg2pose")
    rows = []
    for k in range(12):
        user, stage, samples = f"u{k % 3}", STAGES[k // 6], 300 + 40 * k
        recording = emg2pose_like(f"r{k}", samples, seed=k, user=user, stage=f"{stage}_both")
        write_recording(folder / f"r{k}.hdf5", recording, start=1e9, simulated=False, compression=None)
        split = ("train", "val", "test")[k % 3]
        span = {"start": 1e9, "end": 1e9 + samples / 2000}
        rows.append(MetadataRow(user, "s", f"{stage}_both", "left", split=split, filename=f"r{k}", **span))
    write_metadata(folder, rows)
    return folder


@pytest.fixture(scope="module")
def files(recordings):
    names = sorted(path.name for path in recordings.glob("*.hdf5"))
    return {
        TAR: packed(recordings, names),
        MINI: packed(recordings, ["metadata.csv", "r0.hdf5", "r3.hdf5"], "emg2pose_dataset_mini"),
        TABLE: (recordings / "metadata.csv").read_bytes(),
    }


@pytest.fixture
def server(files, monkeypatch):
    monkeypatch.setattr(connections, "FIRST_PAUSE_S", 1e-4)
    monkeypatch.setattr(connections, "LONGEST_PAUSE_S", 1e-3)
    monkeypatch.setattr(connections, "TICK_S", 0.01)
    monkeypatch.setattr("cpep.runtime.jobs.cores", lambda: 1)
    with serving(dict(files)) as server:
        yield server


@pytest.fixture
def cli(server, capsys):
    """Run ``cpep data download emg2pose``; returns its status, and what it prints."""

    def run(out, *argv, status=0):
        assert (
            main(["data", "download", "emg2pose", str(out), "--from", "tar", "--url", server.url, *map(str, argv)])
            == status
        )
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return said.out + said.err

    return run


@pytest.fixture
def nemar_server(monkeypatch):
    monkeypatch.setattr(connections, "FIRST_PAUSE_S", 1e-4)
    monkeypatch.setattr(connections, "LONGEST_PAUSE_S", 1e-3)
    monkeypatch.setattr(connections, "TICK_S", 0.01)
    with nemar(dict(SET)) as server:
        server.files[TABLE] = table(SET)
        yield server


@pytest.fixture
def nemar_cli(nemar_server, capsys):
    """Run ``cpep data download emg2pose`` from NEMAR; returns what it prints."""

    def run(out, *argv, status=0, dataset="emg2pose"):
        assert main(["data", "download", dataset, str(out), "--url", nemar_server.url, *map(str, argv)]) == status
        said = capsys.readouterr()
        assert "Traceback" not in said.err and SIGNATURE not in said.out + said.err
        return said.out + said.err

    return run
