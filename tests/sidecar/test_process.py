"""`consent-stream gate serve` as a process: start, refusals, log, end."""

import json
import socket
import subprocess
import sys
import threading
import time

import pytest
from click.testing import CliRunner

from consent_stream import Gate
from consent_stream.cli import main
from tests.contract.gate.worker import Worker
from tests.gate.made import ANA, ANAS, entry, grant
from tests.sidecar.served import SOON, Client, Process, until
from tests.sidecar.test_bounds import REQUEST, connected

GOOD = {"tenant": "acme", "email": ANA, "scope": "news"}


@pytest.fixture(scope="module")
def worker(embedded):
    found = Worker(embedded, "served-")
    found.start()
    found.write((ANAS, entry(grant(), version=7)))
    with found.beating(offset=100):
        yield found


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    file.touch(0o600)
    file.write_text(f'current = 0\n[keys]\n0 = "{"00" * 32}"\n')
    return file


@pytest.fixture
def serve(worker, keys):
    def start(*arguments, port=0):
        link = ["--bootstrap", worker.bootstrap, "--topic-prefix", worker.prefix, "--keys", keys]
        return Process(*link, "--port", port, "--drain", "0.1", *arguments)

    return start


def refusal(*arguments):
    """The one line of a start that is refused."""
    told = CliRunner().invoke(main, ["gate", "serve", *map(str, arguments)])
    assert (told.exit_code, told.stdout) == (2, "")
    (line,) = told.stderr.splitlines()
    return line


def test_it_serves_says_so_and_ends_with_0(serve):
    with serve() as process:
        client = process.client()
        assert process.line() == "ready"
        assert client.check(GOOD).said["allow"]
        code, log = process.end()
        assert (code, log) == (0, "")


def test_an_answer_under_way_is_finished_after_sigterm(serve):
    with serve("--drain", "0") as process:
        client = process.client()
        assert process.line() == "ready"
        with connected(client.port) as slow:
            slow.sendall(REQUEST[:-5])
            time.sleep(0.2)  # it is being read
            process.process.terminate()
            assert until(lambda: not reachable(client.port))
            slow.sendall(REQUEST[-5:])
            assert slow.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert slow.recv(1) == b""
        assert process.wait() == (0, "")


def reachable(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=SOON).close()
    except ConnectionRefusedError:
        return False
    return True


def test_while_it_drains_it_is_not_ready_and_answers_all_the_same(serve):
    with serve("--drain", "30") as process:
        client = process.client()
        assert process.line() == "ready"
        process.process.terminate()
        assert until(lambda: client.get("/readyz").status == 503)
        assert client.get("/readyz").said["detail"] == "the sidecar is ending"
        assert client.check(GOOD).said["allow"]
        assert process.end() == (0, "")  # a second signal: no more waiting


def test_a_wait_for_a_receipt_does_not_hold_up_the_end(serve):
    with serve("--drain", "0") as process:
        client = process.client()
        told = []
        waiting = threading.Thread(target=lambda: told.append(client.get("/v1/receipts/0:5000?wait=60").said))
        waiting.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert process.end() == (0, "")
        waiting.join(SOON)
        assert told[0]["enforced"] is False
        assert time.monotonic() - began < 10


def test_no_answer_is_cut_off_by_sigterm(serve):
    with serve("--drain", "0.3") as process:
        port = process.client().port
        assert process.line() == "ready"
        asking = [Asking(port) for _ in range(4)]
        assert until(lambda: all(each.answers > 20 for each in asking))
        assert process.end()[0] == 0
        for each in asking:
            each.join(SOON)
            assert each.cut_off == []


class Asking(threading.Thread):
    """Asks on a new connection each time, until there is no more connection to be had."""

    def __init__(self, port):
        super().__init__()
        self.port, self.answers, self.cut_off = port, 0, []
        self.start()

    def run(self):
        while True:
            client = Client(self.port)
            try:
                client.connection.connect()
            except ConnectionError:
                return
            try:
                answer = client.check(GOOD)
                assert answer.said["allow"]
                self.answers += 1
            except ConnectionResetError:
                return  # taken by the kernel, and never by the process, which had closed its door
            except Exception as error:
                self.cut_off.append(error)
                return
            finally:
                client.close()


def test_a_port_that_is_taken_is_one_line_and_exit_2(serve, keys):
    with serve() as process:
        port = process.client().port
        assert f"--port {port}: Address already in use" in refusal("--keys", keys, "--port", port)
        with serve(port=port) as second:
            code, log = second.wait()
            assert code == 2
            assert len(log.splitlines()) == 1
        assert process.end()[0] == 0


def test_a_port_is_free_for_the_next_at_once(serve):
    port = 0
    for _ in range(2):
        with serve(port=port) as process:
            client = process.client()
            assert client.get("/livez").status == 200
            port = client.port
            assert process.end()[0] == 0


def test_a_store_that_another_follows_into_is_one_line_and_exit_2(serve, tmp_path):
    with serve("--store", tmp_path) as process:
        client = process.client()
        assert process.line() == "ready"
        assert (tmp_path / "email").exists()
        with serve("--store", tmp_path) as second:
            code, log = second.wait()
            assert code == 2
            assert len(log.splitlines()) == 1
            assert "--store" in log
        assert client.check(GOOD).said["allow"]
        assert process.end()[0] == 0


def test_the_access_log_has_no_address(serve):
    with serve("--access-log") as process:
        client = process.client()
        assert process.line() == "ready"
        client.check(GOOD)
        client.get("/v1/check?email=ana@example.com")
        client.get("/ana@example.com")
        client.get("/v1/receipts/ana@example.com?wait=1")
        with connected(client.port) as sock:
            sock.sendall(b"GET /ana@example.com HTTP/9.9\r\n\r\n")
            sock.recv(65536)
        code, log = process.end()
    assert code == 0
    lines = [line.partition(".requests: ")[2].rpartition(" ms")[0].rpartition(" ")[0] for line in log.splitlines()]
    assert lines == ["POST /v1/check 200", "- - 405", "- - 404", "GET /v1/receipts/{receipt} 400"]
    assert "example" not in log


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--host", "0.0.0.0"], "--without-token"),
        (["--host", "no.such.host.invalid"], "--host"),
        (["--host", "127.0.0.1", "--token", "/no/such/token"], "CONSENT_SIDECAR_TOKEN"),
        (["--channel", "fax"], "--channel"),
        (["--no-follow"], "--store"),
        (["--max-body", "1GiB"], "--max-body"),
        (["--max-body", "0"], "--max-body"),
        (["--concurrency", "0"], "--concurrency"),
        (["--max-batch", "0"], "--max-batch"),
        (["--drain", "inf"], "--drain"),
        (["--staleness-limit", "nan"], "--staleness-limit"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(keys, arguments, named):
    assert named in refusal("--keys", keys, "--port", 0, *arguments)


def test_without_keys_every_answer_would_be_no(monkeypatch):
    monkeypatch.delenv("CONSENT_KEYS", raising=False)
    assert "--keys (CONSENT_KEYS)" in refusal("--port", 0)


def test_off_loopback_with_a_token(serve, tmp_path):
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("a-token-of-the-tests\n")
    with serve("--host", "0.0.0.0", "--token", token) as process:
        client = process.client()
        assert process.line() == "ready"
        assert client.check(GOOD).status == 401
        assert client.check(GOOD, Authorization="Bearer a-token-of-the-tests").said["allow"]
        assert process.end()[0] == 0


def test_a_core_install_says_what_it_lacks():
    script = (
        "import sys; sys.modules['aiohttp'] = None; sys.argv = ['consent-stream', 'gate', 'serve', '--keys', 'k'];"
        "from consent_stream.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert "pip install 'consent-stream[edge]'" in line


def test_a_store_is_continued_by_the_next(serve, tmp_path):
    for _ in range(2):
        with serve("--store", tmp_path, "--channel", "email") as process:
            client = process.client()
            assert process.line() == "ready"
            assert json.loads(client.check(GOOD).body)["version"] == 7
            assert process.end()[0] == 0


def test_it_reads_what_a_follower_keeps(serve, worker, keys, tmp_path):
    with Gate(bootstrap=worker.bootstrap, topic_prefix=worker.prefix, keys=keys, store=tmp_path / "email") as follower:
        assert follower.wait_ready(SOON)
        with serve("--store", tmp_path, "--no-follow", "--staleness-limit", "2") as process:
            client = process.client()
            assert process.line() == "ready"
            assert client.check(GOOD).said["allow"]
            assert client.get("/v1/receipts/0:99?wait=20").said["enforced"] is True
            assert client.get("/v1/receipts/0:100").said["enforced"] is False
            vectors = client.get("/v1/status").said["gates"]["email"]["vector"]
            assert vectors["applied"] == vectors["settled"] == {str(p): 100 for p in range(4)}
            follower.close()
            assert until(lambda: client.check(GOOD).status == 503)
            assert until(lambda: "no follower has written" in client.get("/readyz").said["gates"]["email"])
            assert process.end() == (0, "")


def test_a_follower_that_is_not_there_yet_is_waited_for(serve, tmp_path):
    with serve("--store", tmp_path, "--no-follow") as process:
        client = process.client()
        answer = client.check(GOOD)
        assert (answer.status, answer.said["reasons"]) == (503, ["not_ready"])
        assert "no follower has written" in client.get("/readyz").said["gates"]["email"]
        assert process.end() == (0, "")
