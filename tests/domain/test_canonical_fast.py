"""The short way of a plain address gives what the long way gives."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_stream.domain import addresses

LETTERS = "abz09AZ.-+_!#@ \"'\tß\u200bé\u0130ſ"
ANY = st.one_of(
    st.text(st.sampled_from(LETTERS), max_size=20),
    st.builds("{}@{}.{}".format, *(st.text(st.sampled_from("ab0.-_+"), max_size=70) for _ in range(3))),
    st.emails(),
)


@given(ANY)
@example("ana@example.com\n")
@example("a@b.c")
@example("a@b..c")
@example("a@xn--bcher-kva.example")
@example("a" * 64 + "@example.com")
@example("a" * 65 + "@example.com")
@example("a@" + "b" * 63 + ".com")
@example("a@" + "b" * 64 + ".com")
@example("a@" + "b." * 130 + "com")
@example("a@" + "b." * 124 + "com")
def test_both_ways_agree(text):
    assert addresses.canonical_email(text) == addresses._email.__wrapped__(text)


@pytest.mark.parametrize("text", ["ana@example.com", "a.b+c@mail.example.org", "a-b_c@e1.example"])
def test_the_short_way_is_taken(text, monkeypatch):
    monkeypatch.setattr(addresses, "_email", None)
    assert addresses.canonical_email(text) == text
