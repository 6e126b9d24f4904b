import json

import pytest

from cpep.download.http import Remote, Version
from cpep.download.tar_index import Header, TarIndex, load_index
from cpep.types import UserError
from tests.download.range_server import serving


@pytest.fixture
def tar():
    with serving({"a.tar": bytes(10_240)}) as server:
        yield server


def test_of_two_members_of_one_name_the_later_counts_and_folders_do_not():
    headers = [
        Header(0, 512, 0, ""),
        Header(512, 1024, 5, "a"),
        Header(1536, 2048, 600, "b"),
        Header(3072, 3584, 1, "a"),
    ]
    index = TarIndex("a.tar", Version(10_240), {one.offset: one for one in reversed(headers)})
    assert index.chain() == (headers, 4096)
    assert index.members() == {"a": headers[3], "b": headers[2]}


def test_the_index_of_another_tar_is_refused(tmp_path, tar):
    path = tmp_path / "i.json"
    with Remote(tar.url + "a.tar") as remote:
        for version in (Version(remote.size + 512, '"v1"'), Version(remote.size, '"v0"')):
            TarIndex("a.tar", version).save(path)
            with pytest.raises(UserError, match=r"i.json is the index of another tar .*--index"):
                load_index(path, remote)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 9},
        {"members": [[0, 512, 10**9, "a"]]},
        {"members": [[0, 0, 5, "a"]]},
        {"members": [[0, 512, 5, "../a"]]},
        {"members": [[0, 512, 5, ".a"]]},
        {"members": [[0, 512]]},
        {"members": 5},
        {"end": 512},
        {"size": "big"},
    ],
)
def test_a_damaged_index_is_a_sentence(tmp_path, tar, change):
    path = tmp_path / "i.json"
    with Remote(tar.url + "a.tar") as remote:
        TarIndex("a.tar", remote.version, {0: Header(0, 512, 5, "a")}).save(path)
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(
            UserError, match=r"i.json(: .*expected| is no index of a tar).*; delete it, or name another with --index"
        ):
            load_index(path, remote)
