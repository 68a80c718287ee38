"""GPP strings: the specification's own examples, its reference encoder's, a round trip, and anything at all.

Sources: IAB Tech Lab, Global Privacy Platform, `Core/Consent String Specification.md` (headers 1 to 3, strings 1 to 3);
the vectors of its reference library, iabgpp-es 3.2.0, `test/encoder/section/Us*.test.ts` and `test/GppModel.test.ts`.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.edge.signals.gpp import LONGEST, decode
from consent_stream.edge.signals.layouts import LAYOUTS

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
TCF = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"
EVERYTHING = (
    "DBACOcGA~CPSG_8APSG_8ANwAAAENAAFgAAAAAAAAAAAAAAAAAAAA.IAAA.YAAAAAAAAAAA~BPSG_8APSG_8AAAAAAENAACAAAAAAAAAAAAAAAAAAA"
    ".YAAAAAAAAAA~1---~BAAAAAAAAABA.QA~BAAAAABA.QA~BAAAABA~BAAAAEA.QA~BAAAAAQA~BAAAAAEA.QA~BAAAAABA~BAAAAABA.QA~BAAAAAAB"
    "AA.QA~BAAAAAQA.QA~BAAAAAABAA.QA~BAAAAAQA.QA~BAAAAAQA.QA~BAAAAABA.QA~BAAAAAAAQA.QA~BAAAAAQA.QA~BAAAAAQA.QA~BQAA.QA~B"
    "QAA.AAA~BQAA.AAA~BQAA.AAA"
)
# What the reference library writes for a section whose person opted out of what there is, by section id.
OPTED_OUT = {
    7: "CVVVkkkkkpFY.YA",
    8: "BVWSSSVY.YA",
    9: "BVWSSVY",
    10: "BVWSSVg.YA",
    11: "BVVkklWA",
    12: "BVWSSZFg.YA",
    13: "BVWSSZlY",
    14: "BVWSSZFY.YA",
    15: "BVWSSRpFYA.YA",
    16: "BVWSSVWA.YA",
    17: "BVWSSSSVYA.YA",
    18: "BVVkklWA.YA",
    19: "BVWSSVWA.YA",
    20: "BVWSSZFY.YA",
    21: "BVWSSRklWA.YA",
    22: "BVWSSVWA.YA",
    23: "BVWSSVWA.YA",
    24: "BVVU.YA",
    25: "BVVV.kkk",
    26: "BVVV.kkk",
    27: "BVVV.kkk",
}


def fibonacci(number):
    """As the specification tells to encode."""
    numbers = [1, 2]
    while numbers[-1] < number:
        numbers.append(numbers[-1] + numbers[-2])
    places = []
    for place in range(len(numbers) - 1, -1, -1):
        if numbers[place] <= number:
            number -= numbers[place]
            places.append(place)
    return "".join("1" if place in places else "0" for place in range(max(places) + 1)) + "1"


def text(bits):
    bits += "0" * (-len(bits) % 6)
    return "".join(DIGITS[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def header(ids):
    """Neighbours as a range, others alone: the two ways there are."""
    runs = []
    for ident in ids:
        if runs and runs[-1][1] + 1 == ident:
            runs[-1][1] = ident
        else:
            runs.append([ident, ident])
    bits, last = f"000011000001{len(runs):012b}", 0
    for first, end in runs:
        bits += ("1" if end > first else "0") + fibonacci(first - last)
        bits += fibonacci(end - first) if end > first else ""
        last = end
    return text(bits)


def string(sections):
    return "~".join([header(sorted(sections)), *(sections[ident] for ident in sorted(sections))])


@pytest.mark.parametrize(("said", "ids"), [("DBABM", [2]), ("DBACNY", [2, 6]), ("DBABjw", [5, 6]), ("DBABBg", [8])])
def test_headers_of_the_specification_are_written_so(said, ids):
    assert header(ids) == said


@pytest.mark.parametrize(
    ("said", "sections", "unread"),
    [
        (f"DBABM~{TCF}", {}, ("section 2",)),
        (
            f"DBACNY~{TCF}~1YNN",
            {"uspv1": {"Version": 1, "Notice": 1, "SaleOptOut": 2, "LspaCovered": 2}},
            ("section 2",),
        ),
        (
            f"DBABjw~{TCF}~1YNN",
            {"uspv1": {"Version": 1, "Notice": 1, "SaleOptOut": 2, "LspaCovered": 2}},
            ("section 5",),
        ),
        (
            f"DBACNYA~{TCF}~1YYN",
            {"uspv1": {"Version": 1, "Notice": 1, "SaleOptOut": 1, "LspaCovered": 2}},
            ("section 2",),
        ),
    ],
)
def test_strings_of_the_specification(said, sections, unread):
    assert decode(said) == (sections, unread, ())


@pytest.mark.parametrize("ident", OPTED_OUT)
def test_every_section_as_the_reference_library_writes_it(ident):
    sections, unread, faults = decode(string({ident: OPTED_OUT[ident]}))
    assert (unread, faults, [*sections]) == ((), (), [LAYOUTS[ident].name])
    (fields,) = sections.values()
    outs = {name: value for name, value in fields.items() if name.endswith("OptOut")}
    assert outs
    assert set(outs.values()) == {1}
    assert fields.get("Gpc", False) is OPTED_OUT[ident].endswith(".YA")
    assert fields["MspaCoveredTransaction"] == 1


def test_every_section_there_is_in_one_string():
    sections, unread, faults = decode(EVERYTHING)
    assert set(sections) == {"uspv1", *(layout.name for layout in LAYOUTS.values())}
    assert (unread, faults) == (("section 2", "section 5"), ())
    assert not any(name.endswith("OptOut") and value for each in sections.values() for name, value in each.items())


def test_values_of_lists_stand_in_their_order():
    (fields,) = decode("DBABLA~CVVVkkkkkpFY.YA").sections.values()
    assert fields["SensitiveDataProcessing"] == [2, 1, 0] * 5 + [2]
    assert fields["KnownChildSensitiveDataConsents"] == [2, 1, 0]
    assert fields["MspaServiceProviderMode"] == 2


def test_the_older_national_section_has_shorter_lists():
    (fields,) = decode("DBABLA~BAAAVVVVUQA.QA").sections.values()
    assert (fields["SensitiveDataProcessing"], fields["KnownChildSensitiveDataConsents"]) == ([1] * 12, [1, 1])
    assert (fields["Version"], fields["MspaCoveredTransaction"], fields["Gpc"]) == (1, 1, False)


@st.composite
def written(draw):
    ids = draw(st.sets(st.sampled_from(sorted(LAYOUTS)), min_size=1))
    told, sections = {}, {}
    for ident in ids:
        layout = LAYOUTS[ident]
        version = draw(st.sampled_from(sorted(layout.versions)))
        bits, fields = f"{version:06b}", {layout.versions[version][0].name: version}
        for field in layout.versions[version][1:]:
            values = draw(st.lists(st.integers(0, 3), min_size=field.values, max_size=field.values))
            bits += "".join(f"{value:02b}" for value in values)
            fields[field.name] = values if field.values > 1 else values[0]
        sections[ident] = text(bits)
        gpc = draw(st.none() | st.booleans()) if layout.gpc else None
        if gpc is not None:
            sections[ident] += "." + text("011" if gpc else "010")
            fields["Gpc"] = gpc
        told[layout.name] = fields
    return string(sections), told


@given(written())
def test_what_is_written_is_read(case):
    said, told = case
    assert decode(said) == (told, (), ())


@given(st.text(max_size=200) | st.text(DIGITS + "~.", max_size=200) | written().map(lambda case: case[0][:-3]))
def test_anything_is_read_or_named_and_never_shown(said):
    sections, unread, faults = decode(said)
    assert sections or unread or faults or said.strip() in ("DBAA", "DBAAA")
    assert all(len(said) < 12 or said not in fault for fault in faults)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", "header: cut short"),
        ("DBAB", "header: a section id is cut short"),
        ("CBABM~x", "header: no GPP header"),
        ("DCABM~x", "header: of another version than 1"),
        ("DBAB@~x", "header: not base64url"),
        ("DBABBg", "header: names 1 sections where 0 follow"),
        ("DBABBg~BVVVVVVY~BVVVVVVY", "header: names 1 sections where 2 follow"),
        ("DBABBg~", "usca: empty"),
        ("DBABBg~BA", "usca.SaleOptOut: the section ends before it"),
        ("DBABBg~BVVV!VVY", "usca: not base64url"),
        ("DBABBg~BVVVVVVY.", "usca, sub-section 1: cut short"),
        ("DBABTA~1Y", "uspv1: four characters are expected, the last three of Y, N and -"),
        ("D" * (LONGEST + 1), f"header: the string is longer than {LONGEST} characters"),
    ],
)
def test_what_is_malformed_is_named(said, fault):
    assert fault in decode(said).faults


def test_a_range_without_end_costs_nothing():
    bits = "000011000001" + "1" * 12 + ("1" + "0" * 17 + "11") * 400
    assert decode(text(bits) + "~x").faults == ("header: names more sections than follow",)


def test_what_stands_before_a_fault_counts():
    sections, _, faults = decode("DBABBg~BVVV")
    assert faults
    assert sections["usca"]["SaleOptOut"] == 1
    assert decode("DBABBg~@.YA").sections == {"usca": {"Gpc": True}}
    assert decode("DBABBg~DAAA.YA") == ({"usca": {"Gpc": True}}, ("usca",), ())  # a version that is not known
