"""The files of a report: complete, self-contained, well-formed and escaped."""

import dataclasses
import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd.inference import Measurement, Verdict, judge
from jaxsgd.verification import Claim, Finding, Report, Section, Statement
from jaxsgd.verification.pages.mathml import render
from jaxsgd.verification.pages.numerals import number, signed, with_error
from jaxsgd.verification.pages.output import write

STUDY = js.chapter.study("constant", steps=5)
EVIL = "<script>alert('&')</script>"
CLAIM_KEYS = {
    "name", "statement", "relation", "value", "step", "variable", "paired", "estimate", "standard_error",
    "trajectories", "lost", "margin",
    "withheld", "decides",
    "z", "p", "p_adjusted", "lower", "upper", "detectable", "confirmed", "verdict", "assumptions", "reference",
}  # fmt: skip
VOID = {"meta", "img", "br", "wbr"}


def figure(seed: int) -> Figure:
    drawn = Figure(figsize=(2, 1))
    drawn.subplots().set_title(f"seed {seed}")
    return drawn


def claim(name: str, **options: object) -> Claim:
    given = {"relation": "==", "value": 1.0, "reference": "Bach (2014), arXiv 1306.2119", **options}
    return Claim(name, f"about $x_{{{len(name)}}}$ of {name}", STUDY, "risk", **given)


@pytest.fixture(scope="module")
def report() -> Report:
    statements = [
        Statement(
            name="plain", place="First", sentence="A sentence.", tested=r"$$\frac{a}{b} < c$$ and $\|x\|^2 \le 1$.",
            claims=[claim("good"), claim("lost")], remark="Only $x$ is meant.", proof=["One.", "Two: $1 < 2$."],
            reference="Robbins and Monro (1951); theory.exact", figure=figure,
        ),
        Statement(
            name=f"odd/{EVIL}", place=EVIL, sentence=EVIL, tested=EVIL + r" $\text{" + EVIL + "}$", remark=EVIL,
            claims=[claim(EVIL, assumptions=[EVIL], reference=EVIL)], proof=[EVIL], reference=EVIL, figure=figure,
        ),
        Statement(name="event", place="First", sentence="Probable.", tested="p", claims=[claim("p", value=0.5)]),
    ]  # fmt: skip
    measurements = [
        Measurement("==", 1.0, 1.0001, 0.0002, 100_000, 0.01),
        Measurement("==", 1.0, math.nan, math.nan, 1000, 0.01),
        Measurement("==", 1.0, 1.5, 0.01, 1000, 0.01),
        Measurement.proportion("==", 0.5, 50_010, 100_000, 0.02),
    ]
    judged = iter(zip(measurements, judge(measurements), [0, 3, 0, 0], strict=True))
    sections = tuple(Section(one, tuple(Finding(c, *next(judged)) for c in one.claims)) for one in statements)
    facts = {"jaxsgd": "0.1", "device": EVIL, "seconds": math.inf, "trajectory-steps": 1.5e9, "claims": 4,
             "command": "jaxsgd verify"}  # fmt: skip
    return Report(f"Title {EVIL}", sections, {"later": f"needs {EVIL}"}, 0.01, 0.01, 7, facts)


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    target = tmp_path_factory.mktemp("report") / "new" / "folder"
    names = [path.name for path in write(report, target)]
    assert names[:3] == ["report.html", "verdicts.json", "plain.png"]
    assert sorted(names) == sorted(path.name for path in target.iterdir())
    return target


@pytest.fixture(scope="module")
def page(folder) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


class Balanced(HTMLParser):
    """Fails where an element is not closed; collects elements and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.elements, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_json(report, folder):
    found = json.loads((folder / "verdicts.json").read_text(), parse_constant=pytest.fail)
    assert found.keys() == {
        "schema", "title", "verdict", "resolution", "alpha", "seed", "facts", "statements", "not_tested",
    }  # fmt: skip
    assert (found["schema"], found["title"], found["verdict"], found["seed"]) == (1, report.title, "REFUTED", 7)
    assert found["facts"]["seconds"] is None
    assert found["not_tested"] == report.not_tested
    for one, section in zip(found["statements"], report.sections, strict=True):
        statement = section.statement
        assert one.keys() == {"name", "place", "sentence", "tested", "remark", "reference", "verdict", "claims"}
        assert (one["name"], one["tested"]) == (statement.name, statement.tested)
        assert one["verdict"] == section.verdict
        for row, finding in zip(one["claims"], section.findings, strict=True):
            assert row.keys() == CLAIM_KEYS
            assert (row["name"], row["verdict"], row["step"]) == (finding.claim.name, finding.verdict, 5)
            assert row["trajectories"] == finding.measurement.count
            assert row["p_adjusted"] == finding.judgement.p_adjusted


def test_numbers_that_are_not_finite_are_null(folder):
    plain, _, event = json.loads((folder / "verdicts.json").read_text())["statements"]
    lost = plain["claims"][1]
    for key in ("estimate", "standard_error", "z", "lower", "upper", "detectable"):
        assert lost[key] is None
    assert lost["lost"] == 3
    assert event["claims"][0]["z"] is None
    assert event["claims"][0]["p"] == pytest.approx(0.95, abs=0.02)


def test_figures(folder):
    images = sorted(path for path in folder.iterdir() if path.suffix == ".png")
    assert len(images) == 3  # its own, or the claims; a name with a slash makes no folder
    for image in images:
        content = image.read_bytes()
        assert content.startswith(b"\x89PNG")
        width = 1200 if image.name == "event.png" else 300  # 8 or 2 inches
        assert int.from_bytes(content[16:20]) == width


def test_page_is_well_formed(page):
    doctype, _, rest = page.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    ElementTree.fromstring(rest)
    identifiers = [values["id"] for _, values in Balanced(rest).elements if "id" in values]
    assert len(set(identifiers)) == len(identifiers) == 3


def test_page_is_self_contained(page):
    targets = []
    for tag, values in Balanced(page).elements:
        assert tag not in ("script", "link", "iframe", "object")
        assert not any(name.startswith("on") for name in values)
        if "src" in values:
            assert values["src"].startswith("data:image/png;base64,")
        targets += [values["href"]] if "href" in values else []
    assert {target for target in targets if not target.startswith("#")} == {"https://arxiv.org/abs/1306.2119"}
    assert {target[1:] for target in targets if target.startswith("#")} == set(re.findall(r'<article id="(.*?)"', page))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_everything_is_escaped(page):
    assert "<script" not in page
    assert Balanced(page).text.count(EVIL) >= 10


def test_every_statement_has_badge_and_command(page, report):
    articles = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert len(articles) == 3
    # In the order of places.
    for text, section in zip(articles, (report.sections[0], report.sections[2], report.sections[1]), strict=True):
        header = text[: text.index("</header>")]
        assert f'<span class="badge {section.verdict.lower()}">{section.verdict}</span>' in header
        content = Balanced(text).text
        assert "jaxsgd verify --only" in content
        assert content.rstrip().endswith("--seed 7 --resolution 0.01")
        assert section.statement.sentence in content
    assert "--only plain " in articles[0]
    assert "<details><summary>Proof</summary><p>One.</p><p>Two: " in articles[0]
    assert "none: 3 trajectories have no finite value" in articles[0]
    assert "p 0.95" in articles[1]
    nav = page[page.index("<nav") : page.index("</nav>")]
    assert nav.count('class="badge') == 3


def test_page_says_what_was_done(page):
    text = " ".join(Balanced(page).text.split())
    assert "3 statements with 4 claims: 1 CONSISTENT, 1 REFUTED, 1 INCONCLUSIVE. Seed 7, resolution 1%" in text
    assert "1.5 × 109 trajectory-steps" in text  # noqa: RUF001
    assert "Not tested later needs" in text
    assert "Robbins and Monro (1951)" in text[text.index("References") :]


def test_made_in_python_it_is_repeated_in_python(report, tmp_path):
    facts = {name: fact for name, fact in report.facts.items() if name != "command"}
    write(dataclasses.replace(report, facts=facts), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "verify(..., seed=7, resolution=0.01)['plain']" in page
    assert "jaxsgd verify" not in page


def test_real_report(tmp_path):
    report = js.verify(STUDY, trajectories=2000, seed=3)
    paths = report.save(tmp_path)
    assert [path.name for path in paths] == ["report.html", "verdicts.json", *(f"{n}.png" for n in report.verdicts)]
    ElementTree.fromstring(paths[0].read_text(encoding="utf-8").partition("\n")[2])
    found = json.loads(paths[1].read_text())
    assert {one["name"]: Verdict(one["verdict"]) for one in found["statements"]} == report.verdicts
    assert found["facts"] == report.facts
    assert found["not_tested"].keys() == report.not_tested.keys()


def test_folder_that_cannot_be_written(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write(report, tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("$a & b$", "<mi>&amp;</mi>"),
        (r"$\text{a\_b}$", "<mtext>a_b</mtext>"),
        (r"$x \sim N$", "<mo>\N{TILDE OPERATOR}</mo>"),
        ("$1/4$", '<mo lspace="0" rspace="0">/</mo>'),
        ("$a = -b$", '<mo form="prefix">\N{MINUS SIGN}</mo>'),
        (r"$\unknown x$", r'<span class="math"><code>\unknown x</code></span>'),
        ("$x^$", '<span class="math"><code>x^</code></span>'),
        ("$ $", '<span class="math"><code> </code></span>'),
        ("costs $5", "costs $5"),
        ("see ($x$).", '<span class="math">(<math'),
        ("see ($x$).", "</math>).</span>"),
        ("$$x$$", 'display="block"'),
    ],
)
def test_formulas(latex, expected):
    made = render(latex)
    assert expected in made
    ElementTree.fromstring(f"<p>{made}</p>")


def test_long_formulas_break_only_outside_brackets():
    made = render(r"$\|a + b\|^2 = f(c - d) + \langle e, g - h \rangle + k - l$")
    starts = [piece[: piece.index("</mo>")][-1] for piece in made.split("<wbr/>")[1:]]
    assert starts == ["=", "+", "+", "\N{MINUS SIGN}"]
    assert "<wbr/>" not in render("$a + b = c$")


def test_numbers():
    assert [number(value) for value in (0.0, 123456.0, 1e-5, math.nan, -math.inf)] == [
        "0", "123456", "1 × 10<sup>−5</sup>", "none", "−∞",  # noqa: RUF001
    ]  # fmt: skip
    assert number(1234.0, 2) == "1200"
    assert with_error(1.0, 0.0) == "1"
    assert with_error(0.5, 0.0996) == "0.50 ± 0.10"
    assert with_error(0.0, 3e-7) == "(0.0 ± 3.0) × 10<sup>−7</sup>"  # noqa: RUF001
    assert with_error(1.0, 1e-14) == "1 ± 1 × 10<sup>−14</sup>"  # noqa: RUF001
    assert signed(0.0) == "+0.00"
