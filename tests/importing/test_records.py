"""Lines of CSV and JSON: a broken one costs itself alone, long ones and zips that unpack without end are bounded."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.importing import records, source
from consent_stream.importing.dates import read_time
from consent_stream.importing.records import MAX_CHARS, MAX_LINES, read_table
from consent_stream.importing.source import FileFault
from tests.importing.listed import read_as

HEADER = "email,status,date\n"


def table(content: bytes | str, encoding: str = "utf-8", lists: tuple[str, ...] = ()):
    raw = content.encode() if isinstance(content, str) else content
    return read_table(io.BytesIO(raw), "list", encoding, lists, lambda first: None)


def rows(content: bytes | str, **more):
    return [(each.line, list(each.fields.values()), bool(each.fault)) for each in table(content, **more).records]


def test_a_record_may_span_lines_and_is_named_by_its_first():
    text = HEADER + '"a@example.com","two\nlines",x\nb@example.com,y,z\n'
    assert rows(text) == [(2, ["a@example.com", "two\nlines", "x"], False), (4, ["b@example.com", "y", "z"], False)]


@pytest.mark.parametrize(
    "broken", ['"a@example.com,unsubscribed,', 'a@example.com,"x"y,', 'a@example.com,un"subscribed,']
)
def test_a_stray_quote_costs_its_own_line_alone(broken):
    good = "".join(f"g{n}@example.com,unsubscribed,2025-03-01\n" for n in range(3 * MAX_LINES))
    found = rows(HEADER + good + broken + "\n" + good)
    assert sum(fault for _, _, fault in found) == 1
    assert len(found) == 6 * MAX_LINES + 1
    assert next(line for line, _, fault in found if fault) == 3 * MAX_LINES + 2


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), min_size=3,
                         max_size=3).filter(lambda row: any(each.strip() for each in row)), max_size=8))  # fmt: skip
@settings(deadline=None)
def test_what_csv_writes_is_read_back(written):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["email", "status", "date"], *written])
    assert [each.fields for each in table(text.getvalue()).records] == [
        dict(zip(("email", "status", "date"), row, strict=True)) for row in written
    ]


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_bytes_break_the_reader_and_no_line_vanishes(content):
    head = HEADER.encode()
    try:
        found = list(table(head + content).records)
    except FileFault:
        return  # another encoding
    text = content.decode("utf-8")
    first = [each.line for each in found]
    assert first == sorted(set(first)), "each line begins one record at most"
    if '"' not in text:
        lines = io.TextIOWrapper(io.BytesIO(head + content), "utf-8", newline="").readlines()[1:]
        assert len(found) == sum(bool(line.strip()) for line in lines)


def test_lines_of_another_width_are_faults_with_what_could_be_made_out():
    (short, long) = table(HEADER + "a@example.com\nb@example.com,x,y,z\n").records
    assert (short.fields, bool(short.fault)) == ({"email": "a@example.com"}, True)
    assert long.fault == "4 fields where the header has 3"


def test_a_line_without_end_is_broken_and_the_next_is_read():
    found = rows(HEADER + "a" * (3 * MAX_CHARS) + "\nb@example.com,x,y\n")
    assert found == [(2, [], True), (3, ["b@example.com", "x", "y"], False)]


@pytest.mark.parametrize(("encoding", "told"), [("utf-8-sig", "utf-8"), ("utf-16", "utf-8"), ("cp1252", "cp1252")])
def test_encodings(encoding, told):
    assert rows((HEADER + "zoë@example.com,x,y\n").encode(encoding), encoding=told)[0][1][0] == "zoë@example.com"


def test_another_encoding_is_refused_by_the_line():
    for encoding in ("cp1252", "utf-16-le"):
        with pytest.raises(FileFault, match=r"not UTF-8 at or behind line [12]; --encoding"):
            rows((HEADER + "zoë@example.com,x,y\n").encode(encoding))


@pytest.mark.parametrize("delimiter", ",;\t")
def test_delimiters(delimiter):
    text = (HEADER + "a@example.com,x,y\n").replace(",", delimiter)
    assert rows(text) == [(2, ["a@example.com", "x", "y"], False)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an empty file"),
        ("\n \n", "an empty file"),
        ("x" * (MAX_CHARS + 1), "too long"),
        ('"a,b\n1,2\n', "does not name columns"),
        ('{\n"other": []}', "without rows; found: other"),
        ("[1, 2]", "none of its first 2 entries"),
        ("[{", "no JSON"),
    ],
)
def test_what_is_no_list_is_refused(text, says):
    with pytest.raises(FileFault, match=says):
        list(table(text, lists=("rows",)).records)


def test_a_json_document_is_bounded(monkeypatch):
    monkeypatch.setattr(records, "MAX_JSON", 10)
    with pytest.raises(FileFault, match="JSON lines have no limit"):
        table('[{"email": "a@example.com"}]')


def test_a_column_that_is_missing_is_told_with_those_that_are_there_and_no_address(tmp_path):
    (tmp_path / "list.csv").write_text("name,when\nAna,2025-03-01\n")
    with pytest.raises(FileFault, match="no column for email; columns: name, when"):
        read_as("csv", tmp_path / "list.csv")
    (tmp_path / "list.csv").write_text("ana@example.com,+12015550123\nben@example.com,x\n")
    with pytest.raises(FileFault, match=r"columns: \(…\), \(…\)"):
        read_as("csv", tmp_path / "list.csv")


def test_columns_by_other_names_come_first(tmp_path):
    (tmp_path / "list.csv").write_text("email,real,status\nwrong@example.com,ana@example.com,bounced\n")
    (item,) = read_as("csv", tmp_path / "list.csv", reading={"columns": {"email": "real"}})
    assert item.row.address == "ana@example.com"


# -- zips --------------------------------------------------------------------------------------------


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def test_a_zip_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "RATIO_FROM", 1 << 20)
    bomb = zipped(tmp_path / "bomb.zip", {"list.csv": HEADER + "\n" * (4 << 20)})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(FileFault, match="unpacks to far more"):
        read_as("csv", bomb)


def test_a_member_is_bounded_whatever_its_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_UNPACKED", 1000)
    with pytest.raises(FileFault, match="unpacks to far more"):
        read_as("csv", zipped(tmp_path / "a.zip", {"list.csv": HEADER + "a@example.com,bounced,\n" * 100}))


def test_what_is_beside_the_lists_in_a_zip_is_left_alone(tmp_path):
    row = HEADER + "a@example.com,bounced,2025-03-01\n"
    members = {"x/b.csv": row, "a.csv": row, "__MACOSX/a.csv": "?", ".c.csv": "?", "readme.pdf": "?"}
    found = read_as("csv", zipped(tmp_path / "a.zip", members))
    assert [item.row.line for item in found] == ["a.csv:2", "b.csv:2"]
    assert len({item.told.value for item in found}) == 2, "lines of two files have different ids"


def test_zips_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(FileFault, match="a zip without a file"):
        read_as("csv", zipped(tmp_path / "a.zip", {"readme.pdf": "?"}))
    monkeypatch.setattr(source, "MAX_MEMBERS", 1)
    with pytest.raises(FileFault, match="a zip of 2 files"):
        read_as("csv", zipped(tmp_path / "b.zip", {"a.csv": HEADER, "b.csv": HEADER}))
    whole = zipped(tmp_path / "c.zip", {"list.csv": HEADER + "".join(f"{n},x,y\n" for n in range(9000))}).read_bytes()
    at = len(whole) // 2
    (tmp_path / "c.zip").write_bytes(whole[:at] + bytes(100) + whole[at + 100 :])
    with pytest.raises(FileFault, match="cannot be unpacked"):
        read_as("csv", tmp_path / "c.zip")


# -- dates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1762203785", "2025-11-03T21:03:05Z"),
        ("1762203785.077", "2025-11-03T21:03:05Z"),
        ("1762203785077", "2025-11-03T21:03:05Z"),
        ("2025-03-01", "2025-03-01T00:00:00Z"),
        ("2025-03-01 10:15", "2025-03-01T10:15:00Z"),
        ("2025-03-01 10:15:30.5", "2025-03-01T10:15:30Z"),
        ("2025-12-17T22:58:33-05:00", "2025-12-18T03:58:33Z"),
        ("2025-03-01 10:15:30 UTC", "2025-03-01T10:15:30Z"),
        ("2025-03-01 10:15:30 +0200", "2025-03-01T08:15:30Z"),
        ("03/04/2025", ""),  # the third of April, or the fourth of March
        ("2025-02-30", ""),
        ("yesterday", ""),
        ("", ""),
        ("17", ""),
    ],
)
def test_dates(text, time):
    assert read_time(text) == time


@given(st.text(max_size=30) | st.from_regex(r"[0-9T:. +Z-]{1,30}", fullmatch=True))
def test_no_text_breaks_the_reading_of_dates(text):
    time = read_time(text)
    assert time == "" or len(time) == len("2025-03-01T00:00:00Z")
    assert read_time(time) == time
