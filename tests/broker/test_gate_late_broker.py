"""A gate that starts before its Kafka, and says how it stands all the while."""

import socket

from consent_stream import Gate
from consent_stream.dev.broker import EmbeddedBroker
from tests.contract.gate.test_gate import ask, until
from tests.contract.gate.worker import Worker
from tests.gate.made import ANAS, RING, entry, grant


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_a_kafka_that_is_not_there_yet_is_waited_for_with_denials():
    port = free_port()
    with Gate(bootstrap=f"127.0.0.1:{port}", keys=RING) as gate:
        assert not gate.wait_ready(0.3)
        assert ask(gate).reasons == ("not_ready",)
        assert until(lambda: "Connection refused" in (gate.status().trouble or ""))
        with EmbeddedBroker(port) as broker:
            worker = Worker(broker.bootstrap, "")
            worker.start()
            worker.write((ANAS, entry(grant())))
            with worker.beating():
                assert gate.wait_ready(30)
                assert ask(gate)
                assert gate.status().trouble is None


def test_a_gate_that_never_found_its_kafka_can_be_closed():
    gate = Gate(bootstrap=f"127.0.0.1:{free_port()}", keys=RING)
    gate.close()
    assert ask(gate).reasons == ("not_ready",)
