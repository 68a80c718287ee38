"""CSV rows keep their bytes, and what is broken costs no more than itself."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.gate.scrub import csvrows
from consent_stream.gate.scrub.csvrows import BOM, CODEC, Columns, CsvRows, FileFault


def read(content, *, address=0, contact=None, delimiter=","):
    """(header, rows, addresses, contacts, broken, blank lines) of a whole file."""
    found = CsvRows(io.BytesIO(content), delimiter)
    rows, addresses, contacts, broken, blank, size = [], [], [], [], 0, 0
    for part in found.parts(Columns(len(found.names), address, contact)):
        rows += part.rows
        addresses += part.addresses
        contacts += part.contacts or []
        broken += part.broken
        blank += part.blank
        size += part.bytes
    assert size == len(content) - len(found.header.encode())
    return found.header, rows, addresses, contacts, broken, blank


def lines(content, **about):
    return [line for line, _ in read(content, **about)[4]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", BOM])
@pytest.mark.parametrize("last", [True, False])
def test_rows_are_what_they_were(end, mark, last):
    rows = ["ana@example.com,1", '"ben@example.com","a, ""b"""', f'cyd@example.com,"two{end}lines"', "ü@example.com,"]
    content = mark + end.join(["email,n", *rows]) + (end if last else "")
    header, found, addresses, _, broken, _ = read(content.encode())
    assert (header + "".join(found)).encode() == content.encode()
    assert header == f"{mark}email,n{end}"
    assert addresses == ["ana@example.com", "ben@example.com", "cyd@example.com", "ü@example.com"]
    assert broken == []


def test_columns_may_stand_in_any_order_and_another_delimiter_between():
    content = b"c;x;email\nc-1;;ana@example.com\n;;ben@example.com\n"
    _, _, addresses, contacts, _, _ = read(content, address=2, contact=0, delimiter=";")
    assert addresses == ["ana@example.com", "ben@example.com"]
    assert contacts == ["c-1", None]


def test_one_column_may_be_both():
    assert read(b"email,n\na@example.com,1\n", contact=0)[2:4] == (["a@example.com"], ["a@example.com"])


@pytest.mark.parametrize(
    ("bad", "broken"),
    [
        (b"a@example.com\n", [3]),
        (b"a@example.com,1,2\n", [3]),
        (b'a@example.com,"1"2\n', [3]),
        (b'a@example.com,1"2\n', [3]),
        (b'a@example.com,"\n', [3]),
        (b"a@example.com,\xff\n", [3]),
        (b'a@example.com,"x\ny",z\n', [3]),
        (b"a@example.com,1\rb@example.com,2\n", [3]),
    ],
)
def test_a_broken_line_is_reported_and_the_rest_goes_on(bad, broken):
    _, _, addresses, _, found, _ = read(b"email,n\nok@example.com,1\n" + bad + b"ben@example.com,2\n")
    assert addresses == ["ok@example.com", "ben@example.com"]
    assert [line for line, _ in found] == broken
    assert "".join(text for _, text in found).encode(*CODEC) == bad


def test_a_quote_that_never_ends_costs_one_line(monkeypatch):
    monkeypatch.setattr(csvrows, "CHUNK", 64)
    monkeypatch.setattr(csvrows, "LONGEST_ROW", 500)
    content = b'email,n\na@example.com,"x\n' + b"".join(b"p%d@example.com,1\n" % n for n in range(1000))
    _, rows, _, _, broken, _ = read(content)
    assert (len(rows), [each.line for each in broken]) == (1000, [2])


def test_blank_lines_are_no_rows():
    assert read(b"email,n\n\na@example.com,1\n\r\n\n")[5] == 3
    assert read(b"email\n\na@example.com\n\n")[5] == 2


def test_a_line_without_end_is_skipped_in_fixed_memory(monkeypatch):
    monkeypatch.setattr(csvrows, "LONGEST_ROW", 4096)
    monkeypatch.setattr(csvrows, "CHUNK", 1024)
    _, rows, _, _, broken, _ = read(b"email\na@example.com\n" + b"x" * 1_000_000 + b"\nb@example.com\n" + b"y" * 9000)
    assert rows == ["a@example.com\n", "b@example.com\n"]
    assert broken == [(3, None), (5, None)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff,\n", b'"email\n', b"x" * 3_000_000, b"a\rb\rc"])
def test_a_file_without_a_header_is_refused(content):
    with pytest.raises(FileFault):
        CsvRows(io.BytesIO(content))


@pytest.mark.parametrize(
    ("header", "names"), [("email", ["email"]), ('a,"b, c",\r\n', ["a", "b, c", ""]), (",\n", ["", ""])]
)
def test_names_of_columns(header, names):
    assert CsvRows(io.BytesIO(header.encode())).names == names


FIELD = st.text(st.sampled_from('ab",\r\n é'), max_size=5)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=30), st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
def test_whatever_csv_writes_is_read_field_by_field(rows, end, chunk):
    written = io.StringIO(newline="")
    bare_cr = any("\r" in field for row in rows for field in row)  # which csv leaves without quotes
    writer = csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL if bare_cr else csv.QUOTE_MINIMAL)
    writer.writerows([("email", "x", "c"), *rows])
    content = written.getvalue().encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvrows, "CHUNK", chunk)
        header, found, addresses, contacts, broken, blank = read(content, contact=2)
    assert (header + "".join(found)).encode() == content
    assert addresses == [row[0] for row in rows]
    assert contacts == [row[2] or None for row in rows]
    assert (broken, blank) == ([], 0)


@given(
    st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\xff", "é".encode()]), max_size=60), st.integers(1, 9)
)
def test_no_byte_disappears_and_every_row_has_its_fields(pieces, chunk):
    body = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvrows, "CHUNK", chunk)
        found = CsvRows(io.BytesIO(b"email,n\n" + body))
        parts = list(found.parts(Columns(2, 0, None)))
    whole = read(b"email,n\n" + body)
    assert [row for part in parts for row in part.rows] == whole[1]
    assert [each for part in parts for each in part.broken] == whole[4]
    told = "".join([*whole[1], *(text for _, text in whole[4])]).encode(*CODEC)
    assert len(body) - len(told) in range(whole[5], 2 * whole[5] + 1)  # the blank lines
    for row in whole[1]:
        assert [len(each) for each in csv.reader(io.StringIO(row, newline=""), strict=True)] == [2]


@given(st.lists(st.text(st.sampled_from('ab, "\n['), min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_header_has_the_fields_that_csv_gives_it(names):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(names)
    found = CsvRows(io.BytesIO(out.getvalue().encode()))
    assert found.names == names
    assert found.header_count == len(names)


def test_a_long_header_is_read_in_one_go():
    header = b"[" * 900_000 + b"\n"
    assert CsvRows(io.BytesIO(header)).header_count == 1
