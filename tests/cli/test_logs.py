"""The log as JSON: an object a line, whoever writes it, and nothing in it that could be an address."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException

from consent_stream.logs import JsonLines, TextLines, fault
from consent_stream.settings import Settings, SettingsError

ADDRESS = "ana@example.com"


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is logged below `consent_stream.told` and `foreign`, as the worker `w1` writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("worker", "w1"))
    loggers = [logging.getLogger(name) for name in ("consent_stream.told", "foreign")]
    for each in loggers:
        each.addHandler(handler)
        each.propagate = False
    yield stream
    for each in loggers:
        each.removeHandler(handler)
        each.propagate = True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(each) for each in stream.getvalue().splitlines()]


def test_a_line_has_time_level_logger_message_service_worker_and_its_own_fields(said: io.StringIO) -> None:
    logging.getLogger("consent_stream.told").warning(
        "quarantined %s",
        "bad_json",
        extra={"topic": "consent.events", "partition": 3, "offset": 7, "code": "bad_json"},
    )
    (line,) = lines(said)
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "level": "WARNING", "logger": "consent_stream.told", "message": "quarantined bad_json", "service": "worker",
        "worker": "w1", "topic": "consent.events", "partition": 3, "offset": 7, "code": "bad_json",
    }  # fmt: skip


def test_fields_of_libraries_are_left_out(said: io.StringIO) -> None:
    logging.getLogger("foreign").warning("lost", extra={"record": ADDRESS})
    assert lines(said)[0]["message"] == "lost"
    assert ADDRESS not in said.getvalue()


def test_an_exception_is_a_field_and_a_foreign_one_is_not_quoted(said: io.StringIO) -> None:
    def fails() -> None:
        raise KeyError(ADDRESS)

    try:
        fails()
    except KeyError:
        logging.getLogger("consent_stream.told").exception("a report could not be written")
    (line,) = lines(said)
    assert line["error"]["type"] == "KeyError"
    assert line["error"]["frames"][-1].startswith("test_logs.py:")
    assert line["error"]["frames"][-1].endswith(" fails")
    assert ADDRESS not in said.getvalue()


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("keys", "no such file"),
        KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_speaks_of_settings_kafka_and_disks_is_quoted(error: Exception) -> None:
    assert fault(error)["text"] == str(error)


def test_a_line_is_written_whatever_is_in_it() -> None:
    """Not through the root logger: what pytest keeps of it must be UTF-8 (execnet)."""
    extra = {"size": 1 << 70, "what": object(), "many\nlines": "a\nb"}
    record = logging.makeLogRecord({"name": "consent_stream.told", "msg": "file half \udce9", **extra})
    line = JsonLines("worker", "w1").format(record)
    told = json.loads(line)
    assert "\n" not in line
    assert (told["message"], told["size"], told["what"]) == ("file half \udce9", 1 << 70, "object")
    two = JsonLines("worker", "w1").format(logging.makeLogRecord({"name": "consent_stream", "msg": "two\nlines"}))
    assert json.loads(two)["message"] == "two\nlines"


def test_text_has_the_time_in_utc() -> None:
    record = logging.makeLogRecord({"created": 0.25, "levelname": "INFO", "name": "consent_stream.worker", "msg": "x"})
    assert TextLines().format(record) == "1970-01-01T00:00:00.250Z INFO consent_stream.worker: x"


def test_the_format_is_a_setting() -> None:
    assert Settings.read({}, {"CONSENT_LOG_FORMAT": "JSON"}).log_format == "json"
    assert Settings.read({"log_format": "text"}, {"CONSENT_LOG_FORMAT": "json"}).log_format == "text"
    with pytest.raises(SettingsError, match=r"--log-format \(CONSENT_LOG_FORMAT\): 'xml' is none of text, json"):
        Settings.read({"log_format": "xml"}, {})


def ran(code: str) -> subprocess.CompletedProcess[str]:
    start = "from consent_stream.logs import log_to_stderr\nform = log_to_stderr('worker', 'json', worker='w1')\n"
    command = [sys.executable, "-c", start + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_last_words_of_a_worker_are_an_object_too() -> None:
    done = ran(
        "from consent_stream.engine import EngineError, failure\nfailure.formatter = form\n"
        "try: raise EngineError('topic t is\\ngone')\n"
        "except EngineError as exc: failure.fail_stop(exc)\n"
    )
    (line,) = map(json.loads, done.stderr.splitlines())
    assert done.returncode == 70
    assert line["level"] == "CRITICAL"
    assert line["message"] == "FAIL-STOP: topic t is gone"
    assert line["error"]["type"] == "EngineError"


def test_what_python_writes_by_itself_becomes_lines() -> None:
    done = ran(
        "import threading, warnings\nwarnings.warn('odd')\n"
        f"def fail(): raise ValueError('{ADDRESS}')\n"
        "t = threading.Thread(target=fail, name='edge-spool'); t.start(); t.join()\nfail()\n"
    )
    warned, of_thread, last = map(json.loads, done.stderr.splitlines())
    assert warned["logger"] == "py.warnings"
    assert of_thread["message"] == "thread edge-spool ends by an error"
    assert (last["level"], last["error"]["type"]) == ("CRITICAL", "ValueError")
    assert ADDRESS not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("command", [["worker"], ["edge", "serve"], ["gate", "follow"], ["gate", "serve"], ["console"]])
def test_every_long_running_command_has_the_flag(command: list[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "consent_stream", *command, "--help"], capture_output=True, text=True, check=True
    )
    assert "CONSENT_LOG_FORMAT" in told.stdout


def test_why_a_command_ends_is_an_object_too() -> None:
    command = [sys.executable, "-m", "consent_stream", "gate", "serve", "--log-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (done.returncode, line["exit"], line["service"]) == (2, 2, "sidecar")
    assert line["message"].startswith("--keys (CONSENT_KEYS)")
