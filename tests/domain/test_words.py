"""STOP in every spelling that people and phones produce."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.policy import Words
from consent_stream.domain.words import OUT, meaning


@pytest.mark.parametrize("word", OUT)
def test_every_out_word(word: str) -> None:
    for text in (
        word, word.upper(), word.title(), f"  {word}  ", f"{word}.", f"{word}!!!", f'"{word}"', f"{word} 🙏",
        f"please {word} this", f"{word}\u200b", f"\u2066{word}\u2069", f"{word}\n", f"¡{word}!", f"*{word}*",
    ):  # fmt: skip
        assert meaning(text) == "stop", ascii(text)
    assert meaning(f"i would really like you to {word} now") == "review"
    assert meaning(f"a b c d {word}") == ("stop" if " " not in word else "review")
    assert meaning(f"start {word}") == "stop"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ARRÊT", "stop"),
        ("arrêt svp", "stop"),
        ("ARRE\u0302T", "stop"),
        ("Ｓ Ｔ Ｏ Ｐ", ""),
        ("ＳＴＯＰ", "stop"),
        ("s.t.o.p", "stop"),
        ("s-t-o-p", "stop"),
        ("S T O P", ""),
        ("stop/unsubscribe", "stop"),
        ("opt-out", "stop"),
        ("opt_out", "stop"),
        ("STOP🛑", "stop"),
        ("🛑STOP🛑", "stop"),
        ("ST\u200bOP", "stop"),
        ("S\u00adTOP", "stop"),
        ("sto\u034fp", "stop"),
        ("stop\ufe0f", "stop"),
        ("ⓈⓉⓄⓅ", ""),
        ("stoppp", ""),
        ("nonstop", ""),
        ("stopping", ""),
        ("$top", ""),
        ("stop$", "stop"),
        ("stop=now", "stop"),
        ("don't stop", "review"),
        ("dont stop", "review"),
        ("DON’T STOP", "review"),
        ("do not stop", "review"),
        ("never stop", "review"),
        ("please do not stop it", "review"),
        ("don't stop, unsubscribe", "stop"),
        ("stop, don't stop", "stop"),
        ("do not ever stop", "stop"),
        ("don't ever stop loving me please", "review"),
        ("the bus stop is at the end of the road", "review"),
        ("START", "start"),
        ("start.", "start"),
        ("Start!", "start"),
        ("unstop", "start"),
        ("START 🙂", "start"),
        ("start now", ""),
        ("start start", ""),
        ("restart", ""),
        ("s.t.a.r.t", ""),
        ("start stop", "stop"),
        ("HELP", ""),
        ("info", ""),
        ("YES", ""),
        ("", ""),
        ("   ", ""),
        ("🙂", ""),
        ("...", ""),
        ("ΣΤΟΠ", ""),
        ("СТОП", ""),
    ],
    ids=ascii,
)
def test_texts(text: str, found: str) -> None:
    assert meaning(text) == found


def test_words_of_a_tenant_add_to_the_lists() -> None:
    words = Words(out=("СТОП", "genug jetzt", "Ça suffit"), into=("los",))
    assert meaning("стоп", words) == "stop"
    assert meaning("jetzt genug", words) == ""
    assert meaning("Genug, jetzt!", words) == "stop"
    assert meaning("ca suffit", words) == "stop"
    assert meaning("LOS", words) == "start"
    assert meaning("los stop", words) == "stop"
    assert meaning("stop", words) == "stop"
    assert meaning("start", words) == "start"


@given(st.text(max_size=60))
def test_any_text_has_a_meaning(text: str) -> None:
    assert meaning(text) in ("stop", "review", "start", "")


@given(st.sampled_from(OUT), st.text(max_size=30), st.text(max_size=30))
def test_an_out_word_that_stands_alone_is_never_lost(word: str, before: str, after: str) -> None:
    """Whatever stands before and after it, behind a space: STOP or review, and START never."""
    assert meaning(f"{before} {word} {after}") in ("stop", "review")


@given(st.text(alphabet="".join(map(chr, [*range(0x1F600, 0x1F640), 0x200B, 0x200D, 0xFE0F, 0x2060])), max_size=5))
def test_marks_around_a_word_do_not_hide_it(marks: str) -> None:
    assert meaning(f"{marks}STOP{marks}") == "stop"
    assert meaning(f"ST{marks}OP") == "stop"
