"""From a form and a browser to the answer of a gate: an edge, a worker and gates on a real Kafka."""

import json

import pytest

from consent_stream import Gate
from tests.edge.intake.site import KEY, event
from tests.edge.process import ANA, EdgeProcess, token
from tests.faults.deployment import KEYS

pytestmark = pytest.mark.kafka
CEE = "cee@example.com"
CONFIG = """
[intent.keys.form]
key_env = "FORM_KEY"
source = "/forms/signup"
tenants = ["acme"]
"""


@pytest.fixture(scope="module")
def site(deployment, worker):
    path = deployment.folder / "edge.toml"
    path.write_text(CONFIG)
    process = EdgeProcess(deployment, "intake", "--config", str(path), "--drain", "0", "--access-log", FORM_KEY=KEY)
    try:
        yield process.start()
    finally:
        process.close()


def post(site, path, said, **headers):
    credentials = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}", **headers}
    answer = site.ask("POST", path, json.dumps(said).encode(), credentials)
    return answer.status, json.loads(answer.text)


def sign_up(site, email):
    """A yes to mail and, by two confirmations, to sharing."""
    said = [
        event(ident=f"mail-{email[:3]}", email=email),
        event("sharing.optin.v1", ident=f"share-{email[:3]}", email=email, scope=None, channel=None, evidence=None),
    ]
    status, answer = post(site, "/v1/events", said)
    assert status == 202, answer
    return [each["receipt"] for each in answer["events"]]


def test_a_form_is_heard_and_signals_end_sharing_and_nothing_else(site, deployment):
    about = {
        "bootstrap": deployment.environment()["CONSENT_BOOTSTRAP"],
        "topic_prefix": deployment.prefix,
        "keys": KEYS,
    }
    with Gate(**about) as mail, Gate(**about, channel="sharing") as sharing:

        def stands(email):
            return (
                bool(mail.check(tenant="acme", email=email, scope="news")),
                sharing.check(tenant="acme", email=email, purpose="sharing").reasons,
            )

        def enforced(receipt):
            assert mail.wait_for(receipt, 30)
            assert sharing.wait_for(receipt, 30)

        assert mail.wait_ready(30)
        assert sharing.wait_ready(30)
        for email in (ANA, CEE):
            for receipt in sign_up(site, email):
                enforced(receipt)
            assert stands(email) == (True, ())

        status, told = post(site, "/v1/signals", {"token": token(ANA)}, **{"Sec-GPC": "0"})
        enforced(told["events"][0]["receipt"])
        assert stands(ANA) == (True, ())
        status, told = post(site, "/v1/signals", {"token": token(ANA)}, **{"Sec-GPC": "1"})
        assert status == 202
        enforced(told["events"][0]["receipt"])
        assert stands(ANA) == (True, ("sharing_opt_out",))

        status, told = post(site, "/v1/signals", {"email": CEE, "gpp": "DBABBg~BVVVVVVY"})  # usca, SaleOptOut = 1
        assert status == 202
        enforced(told["events"][0]["receipt"])
        assert stands(CEE) == (True, ("sharing_opt_out",))

    question = {"email": CEE, "questions": [{"scope": "news"}, {"purpose": "sharing"}]}
    status, told = _answered(site, question)
    assert [each["allow"] for each in told["verdicts"]] == [True, False]
    assert not any(email in site.log for email in (ANA, CEE))


def _answered(site, question):
    """Once the edge's own gates have heard it, too."""
    for _ in range(200):
        status, told = post(site, "/v1/standing", question)
        if status == 200 and not told["verdicts"][1]["allow"] and "sharing_opt_out" in told["verdicts"][1]["reasons"]:
            break
    return status, told
