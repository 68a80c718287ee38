"""A registry's framing: what it takes, when it is away, and that our readers need none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from consent_stream.domain.policy import read_policy
from consent_stream.domain.standing import BLANK
from consent_stream.registry import change_header
from consent_stream.settings import Settings, SettingsError
from consent_stream.topology.fold import Folder
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import decode_change, encode_change
from consent_stream.wire.schemas import CONSENT_CHANGE, registry_header, schema_json
from tests.wire.samples import PARTIAL, UNSUBSCRIBE

TOPIC = "eu-consent.changes"


class Registry:
    """What a registry is asked, and what it is told to answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []
        self.answer: tuple[int, bytes] = (200, b'{"id":258}')
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                registry.asked.append((self.path, orjson.loads(body)))
                self.send_response(registry.answer[0])
                self.end_headers()
                self.wfile.write(registry.answer[1])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    found = Registry()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def settings(url: str | None, folder) -> Settings:
    return Settings(registry_url=url, data_dir=folder)


def test_without_a_registry_nothing_is_asked_or_kept(tmp_path):
    assert change_header(settings(None, tmp_path), TOPIC) == CONSENT_CHANGE
    assert not list(tmp_path.iterdir())


def test_the_schema_is_registered_under_the_subject_of_the_topic(registry, tmp_path):
    assert change_header(settings(registry.url + "/apis/", tmp_path), TOPIC) == b"\0\0\0\1\2"
    ((path, said),) = registry.asked
    assert path == "/apis/subjects/eu-consent.changes-value/versions"
    assert said["schemaType"] == "AVRO"
    assert orjson.loads(said["schema"]) == schema_json("consent_change")


def test_a_registry_that_is_away_keeps_no_worker_from_starting_again(registry, tmp_path, caplog):
    known = settings(registry.url, tmp_path)
    first = change_header(known, TOPIC)
    registry.answer = (503, b"")
    assert change_header(known, TOPIC) == first
    registry.server.shutdown()
    registry.server.server_close()
    assert change_header(known, TOPIC) == first
    assert "going on with the schema id that it gave before, 258" in caplog.text
    for other in (settings(registry.url + "/other", tmp_path), settings(registry.url, tmp_path / "new")):
        with pytest.raises(SettingsError, match="registry"):
            change_header(other, TOPIC)
    with pytest.raises(SettingsError, match="registry"):
        change_header(known, "another.topic")


@pytest.mark.parametrize(
    "answer",
    [(404, b""), (409, b'{"error_code":409}'), (200, b""), (200, b"<html>"), (200, b"[]"), (200, b"{}"),
     (200, b'{"id":"1"}'), (200, b'{"id":0}'), (200, b'{"id":2147483648}'), (200, b'{"id":true}')],
)  # fmt: skip
def test_an_answer_that_is_none_stops_the_first_start_in_one_line(registry, tmp_path, answer):
    registry.answer = answer
    with pytest.raises(SettingsError) as refused:
        change_header(settings(registry.url, tmp_path), TOPIC)
    assert str(refused.value).startswith("--registry-url (CONSENT_REGISTRY_URL): ")
    assert "\n" not in str(refused.value)


def test_a_kept_answer_that_is_damaged_is_none(registry, tmp_path):
    known = settings(registry.url, tmp_path)
    change_header(known, TOPIC)
    registry.answer = (503, b"")
    (tmp_path / "registry.json").write_bytes(b'{"url')
    with pytest.raises(SettingsError):
        change_header(known, TOPIC)


@pytest.mark.parametrize("url", ["registry:8081", "ftp://registry", "http://", "http://ana:secret@127.0.0.1:8081"])
def test_a_url_that_is_none_or_tells_a_secret_is_refused(url):
    with pytest.raises(SettingsError) as refused:
        Settings(registry_url=url)
    assert "secret" not in str(refused.value)


def test_plain_http_stays_on_this_machine_unless_told():
    with pytest.raises(SettingsError):
        Settings(registry_url="http://registry.example.com:8081")
    assert Settings(registry_url="https://registry.example.com").registry_url
    assert Settings(registry_url="http://registry.example.com", insecure=True).registry_url


def test_our_readers_take_both_framings_and_nothing_else():
    plain = encode_change("email", BLANK, PARTIAL, UNSUBSCRIBE, 7)
    framed = encode_change("email", BLANK, PARTIAL, UNSUBSCRIBE, 7, registry_header(258))
    assert framed == b"\0\0\0\1\2" + plain[10:]
    assert decode_change(framed) == decode_change(plain)
    for broken in (b"\0", framed[:4], framed[:-1], framed + b"\0", b"\1" + framed[1:], b""):
        with pytest.raises(WireError):
            decode_change(broken)


def test_the_state_stage_writes_changes_in_it_and_nothing_else():
    fact = UNSUBSCRIBE
    plain, framed = (
        Folder(read_policy({}), 0, header).fold([(0, fact)], [(fact.key, None)])
        for header in (CONSENT_CHANGE, registry_header(9))
    )
    assert framed.rows == plain.rows
    assert framed.entries == plain.entries
    assert [value[10:] for _, value in plain.changes] == [value[5:] for _, value in framed.changes]
    assert {value[:5] for _, value in framed.changes} == {b"\0\0\0\0\x09"}
