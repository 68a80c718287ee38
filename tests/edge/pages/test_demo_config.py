"""The demo's configuration is read, and cites a notice that its policy has."""

import tomllib
from importlib.resources import files

from consent_stream.domain.policy import read_policy
from consent_stream.edge.config import Config
from consent_stream.edge.pages.config import read_pages
from consent_stream.edge.pages.page import covered

DEV = files("consent_stream.dev")


def test_the_demos_pages_can_turn_things_on():
    pages = read_pages(Config(tomllib.loads((DEV / "edge.toml").read_text("utf-8")), environ={}))
    policy = read_policy(tomllib.loads((DEV / "policy.toml").read_text("utf-8")))
    for tenant, shown in pages.tenants.items():
        assert covered(policy, tenant, shown.notice, 1_800_000_000_000_000) >= {"marketing", "sharing"}
        assert policy.source("/edge/preferences", tenant).max_evidence == 4
