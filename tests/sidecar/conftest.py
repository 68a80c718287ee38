"""A list with a generated population on the embedded broker, and gates that follow it."""

import pytest

from consent_stream import Gate
from tests.contract.gate.worker import Worker
from tests.gate.made import ANAS, RING, entry, grant, restriction
from tests.sidecar.population import write_people
from tests.sidecar.served import SOON, serving


@pytest.fixture(scope="module")
def worker(embedded, request):
    found = Worker(embedded, f"{request.module.__name__.rpartition('.')[2].replace('_', '')}-")
    found.start()
    found.write((ANAS, entry(grant(), restriction("topic_opt_out", "offers", ident="r9"), version=7)))
    write_people(found)
    texts = Worker(embedded, found.prefix, "sms")
    texts.write((RING.subject("acme", "sms", "+12015550123"), entry(grant(channel="sms"), channel="sms", channels=2)))
    with found.beating(offset=100), texts.beating(offset=50):
        yield found


@pytest.fixture(scope="module")
def gates(worker):
    link = {"bootstrap": worker.bootstrap, "topic_prefix": worker.prefix, "keys": RING}
    with Gate(**link) as email, Gate(**link, channel="sms") as sms:
        assert email.wait_ready(SOON)
        assert sms.wait_ready(SOON)
        yield {"email": email, "sms": sms}


@pytest.fixture(scope="module")
def served(gates):
    with serving(gates) as found:
        yield found


@pytest.fixture
def client(served):
    return served[0]
