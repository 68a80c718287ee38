"""The same laws on the path of the worker: JSON in, ledger bytes, slices of the table, answers from its rows."""

import json
from collections.abc import Iterable
from pathlib import Path

from consent_stream.simulate import run_file

from .compare import instant, modelled
from .harness import key_of
from .histories import POLICY, picker, question, seeded
from .model import Model


def test_bytes_do_not_depend_on_the_order_and_answers_are_those_of_the_model(
    sweep: Iterable[int], tmp_path: Path
) -> None:
    scenarios = []
    for seed in list(sweep)[::10]:
        pick = picker(seed)
        history = seeded(seed, 4, ["acme"])
        for number, arrival in enumerate(history):
            arrival["event"]["id"] = f"e{number}"  # codes are told by id
        model = Model(POLICY, key_of)
        codes = {a["event"]["id"]: model.hear(a["event"], instant(a["received"])) for a in history}
        asked = [question(pick, ["acme"], history) for _ in range(15)]
        answers = [modelled(model, x) for x in asked]
        scenarios.append({
            "name": f"seed {seed}", "policy": POLICY, "events": history, "orders": "all",
            "expect": [{**x, "allow": not found, "reasons": found} for x, found in zip(asked, answers, strict=True)],
            "quarantined": {ident: code for ident, code in codes.items() if code},
        })  # fmt: skip
    path = tmp_path / "generated.json"
    path.write_text(json.dumps(scenarios))
    for report in run_file(path):
        assert report.orders == 49
        assert report.held, "\n".join([report.name, *report.faults])
