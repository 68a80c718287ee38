"""`consent-stream scrub` as it is called, on an embedded broker: what is written, and what is never left behind."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.gate.scrub.cleaning import sift
from tests.contract.gate.following import following
from tests.contract.gate.worker import Worker
from tests.gate.made import RING, entry, grant, restriction

KEYS = f'current = 0\n[keys]\n0 = "{bytes(32).hex()}"\n'
PEOPLE = ("ana", "ben", "cyd", "dan")


@pytest.fixture
def worker(embedded, prefix, make_topics):
    """Ana and Cyd may be mailed, Ben opted out, of Dan nothing is known."""
    found = Worker(embedded, prefix)
    make_topics(embedded, {found.list: {}, found.control: {}})
    found.start()
    rows = {"ana": [grant()], "ben": [grant(), restriction()], "cyd": [grant(ident="g3")]}
    found.write(*((RING.subject("acme", "email", f"{who}@example.com"), entry(*parts)) for who, parts in rows.items()))
    with found.beating():
        yield found


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    path.chmod(0o600)
    return path


class Desk:
    """The command, and the files of one scrub in a directory of its own."""

    def __init__(self, worker, keys, tmp_path):
        self.worker, self.keys, self.dir = worker, keys, tmp_path / "lists"
        self.dir.mkdir()

    def arguments(self, *more, name="in.csv", link=True, tenant="acme"):
        suffix = name.partition(".")[2]
        paths = [self.dir / name, self.dir / f"out.{suffix}"]
        flags = ["--removed", self.dir / f"removed.{suffix}", "--report", self.dir / "report.json", "--tenant", tenant]
        kafka = ["--bootstrap", self.worker.bootstrap, "--topic-prefix", self.worker.prefix] if link else []
        return [str(each) for each in ["scrub", *paths, *flags, "--keys", self.keys, *kafka, "--scope", "news", *more]]

    def run(self, *more, **about):
        return CliRunner().invoke(main, self.arguments(*more, **about), catch_exceptions=False)

    def put(self, content, name="in.csv"):
        (self.dir / name).write_bytes(content)

    def got(self, name):
        return (self.dir / name).read_bytes()

    @property
    def report(self):
        return json.loads(self.got("report.json"))

    def outputs(self):
        return sorted(each.name for each in self.dir.iterdir() if not each.name.startswith("in."))


@pytest.fixture
def desk(worker, keys, tmp_path):
    return Desk(worker, keys, tmp_path)


def refused(desk, result, *words):
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    for word in words:
        assert word in line
    assert desk.outputs() == []


LIST = (
    b'\xef\xbb\xbfEmail,n\r\nana@example.com,"1, ""x"""\r\nben@example.com,2\r\nno address,3\r\n'
    b" Cyd@Example.com ,4\r\nana@example.com,5"
)


def test_rows_go_where_they_belong_and_the_report_proves_it(desk):
    desk.put(LIST)
    result = desk.run()
    assert result.exit_code == 0, result.output
    header, *rows = LIST.splitlines(keepends=True)
    assert desk.got("out.csv") == header + rows[0] + rows[3] + rows[4]
    removed = [b"ben@example.com,2,unsubscribed\r\n", b"no address,3,bad_address\r\n"]
    assert desk.got("removed.csv") == b"\xef\xbb\xbfEmail,n,reason\r\n" + b"".join(removed)
    report = desk.report
    assert (report["total"], report["kept"], report["removed"], report["broken"]) == (5, 3, 2, 0)
    assert report["reasons"] == {"bad_address": 1, "unsubscribed": 1}
    assert report["duplicates"] == 1
    for part, name in (("input", "in.csv"), ("output", "out.csv"), ("removed_output", "removed.csv")):
        content = desk.got(name)
        assert report[part] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    for when in ("at_start", "at_end"):
        assert set(report["gate"][when]["vector"].values()) == {10}
        assert 0 <= report["gate"][when]["staleness_s"] < 10
    assert "example.com" not in result.output + json.dumps(report)


def test_broken_lines_are_in_no_list_and_exit_3_says_so(desk):
    desk.put(b"email,n\nana@example.com,1\nana@example.com\ncyd@example.com,\xff\nben@example.com,2\n")
    assert desk.run().exit_code == 3
    assert desk.got("out.csv") == b"email,n\nana@example.com,1\n"
    removed = desk.got("removed.csv").decode().splitlines()
    assert removed[1:] == [
        "ben@example.com,2,unsubscribed",
        '"ana@example.com",,broken_line',
        '"cyd@example.com,�",,broken_line',
    ]
    assert desk.report["broken_lines"] == [3, 4]
    assert desk.report["reasons"] == {"broken_line": 2, "unsubscribed": 1}


def test_a_header_alone_is_a_list_of_nobody(desk):
    desk.put(b"email\n")
    assert desk.run().exit_code == 0
    assert (desk.got("out.csv"), desk.report["total"]) == (b"email\n", 0)


@pytest.mark.parametrize(
    ("content", "more", "about", "word"),
    [
        (b"", (), {}, "empty"),
        (b"mail\n", (), {}, "no column"),
        (b"email,Email\n", (), {}, "several"),
        (b"email\n", ("--contact-column", "c"), {}, "no column"),
        (b"email\n", ("--purpose", "fun"), {}, "--purpose"),
        (b"email\n", (), {"tenant": "nobody"}, "--tenant"),
        (b"email\n", ("--channel", "fax"), {}, "--channel"),
        (b"email\n", ("--phone-column", "email", "--channel", "email"), {}, "--channel"),
        (b"email\n", ("--delimiter", "::"), {}, "--delimiter"),
        (b"email\n", ("--scope", "//"), {}, "--scope"),
        (b"email\n", ("--keys", "/no/such/file"), {}, "/no/such/file"),
    ],
)
def test_what_cannot_be_done_leaves_nothing(desk, content, more, about, word):
    desk.put(content)
    refused(desk, desk.run(*more, **about), word)


def test_a_list_without_a_header_is_refused_and_nobody_on_it_named(desk):
    desk.put(b"ana@example.com,1\nben@example.com,2\n")
    result = desk.run()
    refused(desk, result, "no column")
    assert "example.com" not in result.output


def test_a_gate_that_grows_stale_on_the_way_leaves_nothing(desk, monkeypatch):
    """No heartbeat is young enough any more when the second part is asked for."""
    asked = []

    def late(gate, order, addresses, contacts=None):
        asked.append(len(addresses))
        if len(asked) == 2:
            monkeypatch.setattr(gate._checker, "_limit", 0)
        return sift(gate, order, addresses, contacts)

    monkeypatch.setattr("consent_stream.gate.scrub.cleaning.sift", late)
    desk.put(b"email\n" + b"ana@example.com\n" * 50_000)
    refused(desk, desk.run(), "stale")
    assert len(asked) == 2


def test_an_input_is_never_written_to_and_an_output_not_twice(desk):
    desk.put(b"email\nana@example.com\n")
    refused(desk, desk.run("--removed", str(desk.dir / "in.csv"), "--force"), "input")
    refused(desk, desk.run("--removed", str(desk.dir / "out.csv")), "two outputs")
    os.link(desk.dir / "in.csv", desk.dir / "in.twin")
    refused(desk, desk.run("--removed", str(desk.dir / "in.twin"), "--force"), "input")
    refused(desk, desk.run("--removed", str(desk.dir / "none" / "x")), "no such directory")
    assert desk.got("in.csv") == b"email\nana@example.com\n"


def test_an_output_that_is_there_stays_unless_told(desk):
    desk.put(b"email\nana@example.com\n")
    desk.put(b"mine", "out.csv")
    assert desk.run().exit_code == 2
    assert (desk.got("out.csv"), desk.outputs()) == (b"mine", ["out.csv"])
    assert desk.run("--force").exit_code == 0
    assert desk.got("out.csv") == b"email\nana@example.com\n"


def test_a_gate_that_is_not_ready_in_time_writes_nothing(desk):
    desk.put(b"email\nana@example.com\n")
    refused(desk, desk.run("--bootstrap", "127.0.0.1:1", "--timeout", "0.5"), "not ready")
    refused(desk, desk.run("--store", str(desk.dir.parent / "none"), "--timeout", "0.5"), "follow")


def test_the_store_of_a_follower_serves_as_well(desk, worker, tmp_path):
    desk.put(LIST)
    with following(worker, tmp_path / "store"):
        assert desk.run("--store", str(tmp_path / "store"), link=False).exit_code == 0
    assert desk.report["kept"] == 3


def test_parquet_keeps_schema_and_compression(desk):
    table = pa.table({"email": [f"{who}@example.com" for who in PEOPLE] + [None], "n": pa.array(range(5), pa.int16())})
    pq.write_table(table, desk.dir / "in.parquet", compression={"email": "zstd", "n": "none"})
    result = desk.run(name="in.parquet")
    assert result.exit_code == 0, result.output
    kept, removed = pq.read_table(desk.dir / "out.parquet"), pq.read_table(desk.dir / "removed.parquet")
    assert kept.equals(table.take([0, 2]))
    assert removed.drop(["reason"]).equals(table.take([1, 3, 4]))
    assert removed["reason"].to_pylist() == ["unsubscribed", "no_consent", "bad_address"]
    columns = pq.ParquetFile(desk.dir / "out.parquet").metadata.row_group(0)
    assert [columns.column(n).compression for n in (0, 1)] == ["ZSTD", "UNCOMPRESSED"]
    assert desk.report["input"]["sha256"] == hashlib.sha256(desk.got("in.parquet")).hexdigest()
    assert desk.report["output"]["sha256"] == hashlib.sha256(desk.got("out.parquet")).hexdigest()


def test_a_damaged_parquet_file_leaves_nothing(desk):
    desk.put(b"PAR1" + bytes(500), "in.parquet")
    refused(desk, desk.run(name="in.parquet"), "no Parquet file")


def start(desk, *more, **popen):
    command = [sys.executable, "-m", "consent_stream", *desk.arguments(*more, **popen.pop("about", {}))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_stopped_on_the_way_leaves_nothing(desk, number):
    desk.put(b"email\n" + b"ana@example.com\n" * 3_000_000)
    with start(desk) as scrubbing:
        deadline = time.monotonic() + 30
        while not any(each.stat().st_size for each in desk.dir.glob(".out*.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        scrubbing.send_signal(number)
        assert scrubbing.wait(20) == 128 + number
    assert desk.outputs() == []


def test_standard_input_to_standard_output(desk):
    arguments = desk.arguments()
    arguments[1:3] = ["-", "-"]
    done = subprocess.run([sys.executable, "-m", "consent_stream", *arguments], input=LIST, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == LIST.replace(b"ben@example.com,2\r\nno address,3\r\n", b"")


def test_a_disk_that_is_full_leaves_nothing(desk):
    """The size of files is limited, which fails a write as a full disk does, some way in."""
    desk.put(b"email\n" + b"ana@example.com\n" * 300_000)

    def small():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    with start(desk, preexec_fn=small) as scrubbing:
        assert scrubbing.wait(30) == 2
        assert len(scrubbing.stderr.read().splitlines()) == 1
    assert desk.outputs() == []
