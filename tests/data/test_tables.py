"""One table, written in all the ways in which people's programs write it, comes in the same or is refused."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpep.data.readers import delimited
from cpep.data.readers.folder import find_recordings, list_folder
from cpep.data.recording import Recording
from cpep.types import UserError

NAMES = {"Rest": "rest", "open hand": "open hand", "main fermée": "fist", "12": "dozen"}
SIDECAR: dict[str, object] = {
    "emg": {"columns": ["emg 0", "emg 1"]},
    "rate": 250,
    "kind": "raw",
    "unit": "uV",
    "label": {"field": "gesture", "names": NAMES},
    "user": "1",
}
HEAD = ["t", "emg 0", "emg 1", "gesture"]
EMG = np.round(np.random.default_rng(0).normal(0, 300, (40, 2)), 3)
LABELS = [list(NAMES)[k // 10] for k in range(40)]
ROWS = [[f"{k / 250:.3f}", *map(str, EMG[k]), LABELS[k]] for k in range(40)]


def text_of(rows: list[list[str]] = ROWS, head: list[str] = HEAD, sep: str = ",", end: str = "\n") -> str:
    return end.join(sep.join(row) for row in [head, *rows]) + end


def read(folder: Path, data: bytes | str, name: str = "S1.csv", **change: object) -> Recording:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    (folder / "cpep.json").write_text(json.dumps(SIDECAR | change))
    (source,) = find_recordings(folder)
    (recording,) = source.parts()
    return recording


def check(recording: Recording) -> None:
    np.testing.assert_allclose(recording.emg_TC, EMG, rtol=1e-6)
    assert [recording.vocabulary[label] for label in recording.label_T] == [NAMES[value] for value in LABELS]


@st.composite
def dialects(draw: st.DrawFn) -> tuple[bytes, str, dict[str, object]]:
    """Return the table in some dialect, the file's name, and what its sidecar says beside."""
    sep = draw(st.sampled_from([",", ";", "\t", "|"]))
    comma = sep != "," and draw(st.booleans())
    rows = [[cell.replace(".", ",") if comma else cell for cell in row] for row in ROWS]
    quote = draw(st.sampled_from(["", "head", "texts", "all"]))
    if quote:
        rows = [
            [f'"{c}"' if quote == "all" or (quote == "texts" and k == 3) else c for k, c in enumerate(r)]
            for r in rows
        ]
    head = [f'"{name}"' if quote else name for name in HEAD]
    if draw(st.booleans()):  # further columns
        head, rows = [*head, "Other", "Other", ""], [[*row, "x", "", "2024-05-01 12:00"] for row in rows]
    elif draw(st.booleans()):
        rows = [[*row, ""] for row in rows]  # each ends with a separator
    if draw(st.booleans()):
        rows.insert(draw(st.integers(0, 40)), [draw(st.sampled_from(["", "  "]))])
    text = text_of(rows, head, sep + draw(st.sampled_from(["", " "])), draw(st.sampled_from(["\n", "\r\n", "\r"])))
    text = draw(st.sampled_from(["", "%made by x\n%Sample Rate = 250 Hz\n", "# one\n\n", "Trigno;2,5\n"])) + text
    ends = ["", "\n\n", sep * (len(head) - 1) + "\n" + sep * (len(head) - 1)]
    text = (
        text.rstrip("\r\n") + draw(st.sampled_from(["", "\n"]))
        if draw(st.booleans())
        else text + draw(st.sampled_from(ends))
    )
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]))
    data, name = text.encode(encoding), draw(st.sampled_from(["S1.csv", "S1.CSV", "S1.txt", "S1.tsv"]))
    if draw(st.booleans()):
        data, name = gzip.compress(data), f"{name}.gz"
    return data, name, {"encoding": "cp1252"} if encoding == "cp1252" else {}


@given(dialects(), st.sampled_from([150, 1 << 23]))
@settings(max_examples=40, deadline=None)
def test_dialects(
    tmp_path_factory: pytest.TempPathFactory, dialect: tuple[bytes, str, dict[str, object]], block: int
) -> None:
    data, name, said = dialect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", block)
        patch.setattr(delimited, "HEAD", max(block * 10, 600))
        check(read(tmp_path_factory.mktemp("data"), data, name, **said))


def test_tables_of_numpy_and_of_boards_without_names(tmp_path: Path) -> None:
    codes = np.repeat([0, 1000000, 1000001, 3], 10)
    names = {"0": "rest", "1000000": "fist", "1000001": "open", "3": "point"}
    label = {"field": "gesture", "names": names}
    table = np.column_stack([EMG, codes])
    for number, (fmt, sep, head) in enumerate([("%.18e", " ", True), ("%.3f", ",", True), ("%.3f", "\t", False)]):
        path = tmp_path / f"{number}.txt"
        np.savetxt(path, table, fmt=fmt, delimiter=sep, header=sep.join(["emg0", "emg1", "gesture"]) if head else "")
        said = {"emg": {"columns": ["emg0", "emg1"]}, "label": label}
        if not head:
            said = {"emg": {"columns": [0, 1]}, "label": label | {"field": "2"}}
        recording = read(tmp_path / f"{number}", path.read_bytes(), "S1.txt", **said)
        np.testing.assert_allclose(recording.emg_TC, EMG, rtol=1e-6)
        assert recording.label_T.tolist() == np.repeat([0, 1, 2, 3], 10).tolist()
        assert any("called by their number" in note for note in recording.notes) is not head


def test_numbers_of_columns_below_names(tmp_path: Path) -> None:
    label = {"field": "gesture", "names": NAMES}
    check(read(tmp_path / "a", text_of(), emg={"columns": [1, 2]}, label=label))
    with pytest.raises(UserError, match=r"S1\.csv has 4 columns, numbered from 0; cpep\.json asks for 4"):
        read(tmp_path / "b", text_of(), emg={"columns": [1, 4]}, label=label)
    with pytest.raises(UserError, match="column number 1 is not the one that is called 1"):
        read(tmp_path / "c", text_of(head=["1", "2", "3", "gesture"]), emg={"columns": [1, 2]}, label=label)


def changed(row: int, column: int, cell: str) -> str:
    return text_of([[*r[:column], cell, *r[column + 1 :]] if k == row else r for k, r in enumerate(ROWS)])


REFUSED = {
    "an empty cell": (changed(7, 2, ""), r"S1\.csv: EMG is not finite \(1 cells .* in line 9, 'emg 1'\)"),
    "NA": (changed(7, 1, "NA"), "not finite .* line 9, 'emg 0'"),
    "infinite": (changed(7, 1, "inf"), "not finite .* line 9, 'emg 0'"),
    "a word": (changed(7, 1, "over"), "line 9: 'emg 0' holds something else than numbers: 'over'"),
    "a unit": (changed(7, 1, "12 mV"), "line 9: 'emg 0' holds something else than numbers: '12 mV'"),
    "an underscore": (changed(7, 1, "1_1"), "line 9: .*'1_1'; write numbers as 1234.5"),
    "thousands": (changed(7, 1, '"1,234.5"'), "line 9: .*'1,234.5'; .*without units and thousands separators"),
    "quoted fraction": (changed(7, 1, '"1,5"'), "line 9: .*'1,5'"),
    "an empty row": (text_of([*ROWS[:5], ["", "", "", ""], *ROWS[5:]]), "not finite .* line 7"),
    "names twice": (
        text_of(head=["t", "emg 0", "emg 0", "gesture"]),
        "has two columns 'emg 0'; rename or remove one",
    ),
    "another name": (
        text_of(head=["t", "emg 0", "EMG 1", "gesture"]),
        "has no 'emg 1', .*it has EMG 1, emg 0, gesture, t",
    ),
    "no names": (text_of(ROWS[1:], ROWS[0]), "does not name its columns: line 1, its first, holds numbers"),
    "too long": (changed(7, 1, "1,2"), "line 9: 5 cells under 4 column names$"),
    "too short": (text_of([*ROWS[:9], ROWS[9][:2], *ROWS[10:]]), "line 11: 2 cells under 4 column names$"),
    "cut off": (text_of()[:-18], r"line 41: \d cells under 4 column names; the file seems cut off there"),
    "one cell more in a later row": (
        text_of([[*r, ""] for r in ROWS[:9]] + [[*ROWS[9], "5"]]),
        "line 11: 5 cells under 4",
    ),
    "zero bytes": (
        text_of()[:200] + "\0" * 90 + text_of()[290:],
        r"line \d holds zero bytes: the file seems damaged",
    ),
    "a quotation mark": (changed(7, 3, '"open'), "line 9: a quotation mark is not closed"),
    "cp1252": (text_of().encode("cp1252"), "is not UTF-8 text; .* if 'main fermée' in it is right, .*\"cp1252\""),
    "UTF-16 unmarked": (text_of().encode("utf-16-le"), "holds zero bytes, so it is no UTF-8 text"),
    "another rate": ("%Sample Rate = 1 kHz\n" + text_of(), "sampled at 1000 Hz, and .* that at 250; correct one"),
    "nothing": (" \n\n", "is empty; remove it"),
    "names alone": (text_of([]), "holds no samples"),
}


def test_cyrillic_is_not_taken_for_western(tmp_path: Path) -> None:
    data = text_of().replace("main fermée", "кулак").encode("cp1251")

    def notes(encoding: str, word: str) -> tuple[str, ...]:
        label = {"field": "gesture", "names": {word: "fist", "Rest": "rest", "open hand": "open hand", "12": "dozen"}}
        recording = read(tmp_path, data, encoding=encoding, label=label)
        check(recording)
        return recording.notes

    assert notes("cp1251", "кулак") == ()
    (note,) = notes("cp1252", "êóëàê")
    assert note.startswith("its words are no Western ones, as 'êóëàê'; if 'кулак' is right, say in cpep.json ")
    assert note.endswith('"encoding": "cp1251"')
    with pytest.raises(UserError, match=r"'кулак' in it is right, say in cpep\.json that Cyrillic Windows wrote it"):
        read(tmp_path, data)
    with pytest.raises(UserError, match=r"is not UTF-8 text; save it as UTF-8 \(in Excel: CSV UTF-8\)$"):
        read(tmp_path, text_of().replace("main fermée", "握拳").encode("gb18030"))


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    data, sentence = REFUSED[kind]
    with pytest.raises(UserError, match=sentence) as found:
        read(tmp_path, data)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("cells", "sep", "value"),
    [
        (["1,5", "2"], ";", 1.5),
        (["1,234", "5,678"], ";", 1.234),
        (["0,234", "5,678"], "\t", 0.234),
        (["1,234", "5,6"], "\t", 1.234),
        (["1,234", "56"], ";", None),
        (["1,234", "5,678"], "\t", None),
        (["1.234,5", "2"], ";", "holds something else"),
        (["1,234.5", "2.5"], ";", "holds something else"),
        (["1.5", "2,5"], ";", "holds something else"),
    ],
)
def test_a_comma_is_a_decimal_sign_or_refused(tmp_path: Path, cells: list[str], sep: str, value: object) -> None:
    text = text_of([[cells[0], cells[1]]] * 8, ["a", "b"], sep)
    said: dict[str, object] = {"emg": {"columns": ["a", "b"]}, "label": None}
    if isinstance(value, float):
        assert read(tmp_path, text, **said).emg_TC[0, 0] == np.float32(value)
        return
    with pytest.raises(UserError, match=str(value or "'1,234' may be a number of thousands or a fraction")):
        read(tmp_path, text, **said)
    if value is None:
        assert read(tmp_path, text, **said, decimal=",").emg_TC[0, 0] == np.float32(1.234)
        with pytest.raises(UserError, match="holds something else than numbers: '1,234'"):
            read(tmp_path, text, **said, decimal=".")


def test_times_as_dates_stay_texts_and_integers_exact(tmp_path: Path) -> None:
    rows = [[f"2024-05-01 12:00:{k:02d}", str(1700000000000000001 + k), *row] for k, row in enumerate(ROWS)]
    (tmp_path / "S1.csv").write_text(text_of(rows, ["when", "ns", *HEAD]))
    asked = delimited.Asked(("when", "ns"), (), "", "", tmp_path / "cpep.json")
    fields = delimited.read_delimited(tmp_path / "S1.csv", asked).fields
    assert fields["when"].tolist() == [row[0] for row in rows]
    assert fields["ns"].tolist() == [int(row[1]) for row in rows]


def test_notes_of_a_table(tmp_path: Path) -> None:
    lines = text_of().splitlines()
    text = "\n".join(["%Sample Rate = 200 Hz", *lines[:9], "", "", *lines[9:], "", ""])
    emg = {"columns": ["emg 0", "emg 1"], "clock": {"field": "t", "unit": "s"}}
    notes = read(tmp_path, text, emg=emg).notes
    assert "2 blank lines between its rows" in notes
    assert "its first lines say 200 Hz, and cpep.json asks for 250 Hz by its clock" in notes


def test_text_files_that_are_no_tables_and_spreadsheets(tmp_path: Path) -> None:
    read(tmp_path, text_of())
    for name in ("README.txt", "licence.txt", "notes.txt", "participants.tsv", "S1.txt", "log.txt", "S1.xlsx"):
        (tmp_path / name).touch()
    listing = list_folder(tmp_path)
    assert [source.path.name for source in listing.sources] == ["S1.csv"] and not listing.incomplete
    (tmp_path / "S1.csv").rename(tmp_path / "S1.txt")
    (tmp_path / "log.txt").rename(tmp_path / "OpenBCI-RAW.txt")
    assert [source.name for source in list_folder(tmp_path).sources] == ["OpenBCI-RAW", "S1"]
    (tmp_path / "S1.txt").rename(tmp_path / "S1.csv")
    (tmp_path / "S2.xlsx").touch()
    ((path, missing),) = list_folder(tmp_path).incomplete
    assert path.name == "S2.xlsx" and "save each sheet as CSV" in missing.remedy
    (tmp_path / "cpep.json").unlink()
    (tmp_path / "S1.csv").rename(tmp_path / "S1.txt")
    assert not list_folder(tmp_path).sources  # without a sidecar a text is a text
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "S1.XLSX").touch()
    with pytest.raises(UserError, match=r"S1\.XLSX has no CSV of the same name; cpep reads no spreadsheets"):
        find_recordings(alone)


def test_sidecars_of_windows_and_keys_twice(tmp_path: Path) -> None:
    read(tmp_path, text_of())
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "cpep.json").write_bytes(json.dumps(SIDECAR).encode(encoding))
        check(find_recordings(tmp_path)[0].parts()[0])
    (tmp_path / "cpep.json").write_text(re.sub(r'"12": "dozen"', r'"12": "a", "12": "b"', json.dumps(SIDECAR)))
    with pytest.raises(UserError, match="the key '12' stands twice in one object"):
        find_recordings(tmp_path)[0].parts()
    (tmp_path / "cpep.json").write_text(json.dumps(SIDECAR | {"encoding": "latin-one"}))
    with pytest.raises(UserError, match="'encoding' is 'latin-one', which is none"):
        find_recordings(tmp_path)[0].parts()


def test_pandas_is_imported_by_who_reads_a_table_alone() -> None:
    code = "import sys; import cpep.data.readers.generic, cpep.data.store; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
