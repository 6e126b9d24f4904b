from pathlib import Path

import pytest

from tests.data.samples import write_emg2pose


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    write_emg2pose(folder, count=4)
    return folder
