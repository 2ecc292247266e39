"""The words of statements: what is read from Markdown, and that nothing is missing or left over."""

import pytest

import jaxsgd as js
from jaxsgd.errors import InvalidInput
from jaxsgd.verification.chapter.prose import Prose

TEXT = r"""
# First place

## plain

A sentence that goes on
in a second line.

### Tested

That $\frac{a}{b} <
c$ and $\{x\}$ stand as they are, {braces} too.

## full

Of <<count>> things.

### Tested

A risk of $R = <<risk:.3g>>$, <<share:.1%>> of it.

### Remark

Only <<risk:+.2f>> is meant.

# Second place

## proven

So it is.

### Tested

It.

### Proof

One.

Two: $x_{<<count>>}$,
in two lines.
"""
CLAIM = js.Claim("c", "a statement", js.chapter.study("constant", steps=2), "risk", "<", 100.0)
PLAIN = "# p\n\n## a\n\nSentence.\n\n### Tested\n\nThat."


def test_lines_are_joined_and_latex_is_left_alone():
    made = Prose(TEXT).statement("plain", [CLAIM], reference="me")
    assert (made.name, made.place, made.reference) == ("plain", "First place", "me")
    assert made.sentence == "A sentence that goes on in a second line."
    assert made.tested == r"That $\frac{a}{b} < c$ and $\{x\}$ stand as they are, {braces} too."
    assert (made.remark, list(made.proof), made.claims) == ("", [], [CLAIM])


def test_values_are_formatted():
    made = Prose(TEXT).statement("full", [CLAIM], {"count": 7, "risk": 0.123456, "share": 0.25})
    assert made.sentence == "Of 7 things."
    assert made.tested == "A risk of $R = 0.123$, 25.0% of it."
    assert made.remark == "Only +0.12 is meant."


def test_a_proof_has_paragraphs():
    made = Prose(TEXT).statement("proven", [CLAIM], {"count": 3})
    assert (made.place, list(made.proof)) == ("Second place", ["One.", "Two: $x_{3}$, in two lines."])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("plian", {}, "there are no words for 'plian'; allowed: .*; did you mean 'plain'"),
        ("full", {"count": 7, "risk": 0.1}, "the words for 'full' hold <<share>>, of which no value is given"),
        ("plain", {"risk": 0.1}, r"values \['risk'\] are given for 'plain', whose words do not hold them"),
    ],
)
def test_words_and_values_fit(name, values, message):
    with pytest.raises(InvalidInput, match=message):
        Prose(TEXT).statement(name, [CLAIM], values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Words.\n\n" + PLAIN, "words before the name of a statement: 'Words.'"),
        (PLAIN + "\n\n# q\n\nWords.", "words before the name of a statement: 'Words.'"),
        (PLAIN + "\n\n" + PLAIN, "words for 'a' twice"),
        (PLAIN.replace("Sentence.\n\n", ""), "words for 'a' must have one paragraph of 'sentence', got 0"),
        (PLAIN.replace("### Tested\n\n", ""), "one paragraph of 'sentence', got 2"),
        ("# p\n\n## a\n\nSentence.", "one paragraph of 'tested', got 0"),
        (PLAIN + "\n\n### Remark", "one paragraph of 'remark', got 0"),
        (PLAIN + "\n\n### Remarks\n\nThis.", "a part 'remarks'; allowed: Tested, Remark, Proof"),
        (PLAIN.replace("That.", "That <<risk :.3g>>."), "'<<risk :.3g>>' is no value"),
    ],
)
def test_words_that_cannot_be_read(text, message):
    with pytest.raises(InvalidInput, match=message):
        Prose(text)


def test_words_without_a_statement_are_found():
    prose = Prose(TEXT)
    made = [prose.statement("plain", [CLAIM]), prose.statement("proven", [CLAIM], {"count": 3})]
    with pytest.raises(InvalidInput, match=r"there are words for \['full'\], which no statement has"):
        prose.section(*made)
    made.append(prose.statement("full", [CLAIM], {"count": 7, "risk": 0.123456, "share": 0.25}))
    assert prose.section(*made) == tuple(made)
