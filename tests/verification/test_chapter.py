"""The chapter's statements: every sentence has one, and every one of them is refuted by an engine that is wrong.

That the right engine passes is seen where the README's first command runs. The faulty engines run 2^14
trajectories of everything, or 2^16 of some; a fault listed here moves some claim of each statement by more
than ten standard errors at that size (measured).
"""

import pytest
from faults import FAULTS, break_engine

import jaxsgd as js
from jaxsgd import theory
from jaxsgd.inference import Verdict
from jaxsgd.runs import simulation
from jaxsgd.verification.chapter import COMING, SENTENCES, statements

SOLVED = []
"""The studies of which exact moments were found when the statements were made."""


@pytest.fixture(scope="module")
def chapter():
    exact = theory.exact
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(theory, "exact", lambda study: SOLVED.append(study) or exact(study))
        return {statement.name: statement for statement in statements()}


def test_exact_moments_are_found_once_for_each_study(chapter):
    assert len(SOLVED) >= 70
    assert len({id(study) for study in SOLVED}) == len(SOLVED)


def test_figures_share_simulations_and_find_no_exact_moments_anew(chapter, monkeypatch):
    runs, simulate = [], simulation.simulate
    monkeypatch.setattr(
        simulation, "simulate", lambda *args, **options: runs.append(args) or simulate(*args, **options)
    )
    monkeypatch.setattr(theory, "exact", lambda _: pytest.fail("the statements know them"))
    for name in ("figure-constant", "figure-polynomial", "polynomial-better"):
        chapter[name].figure(0)
    assert len(runs) == 2


def test_every_sentence_has_a_statement(chapter):
    for sentence in SENTENCES:
        assert sentence.tested_by, sentence
        assert set(sentence.tested_by) <= {*chapter, *COMING}, sentence
    used = {name for sentence in SENTENCES for name in sentence.tested_by}
    assert used == {*chapter, *COMING}
    assert not set(chapter) & set(COMING)


def test_statements_say_what_they_test(chapter):
    for statement in chapter.values():
        assert statement.claims
        for text in (statement.place, statement.sentence, statement.tested, statement.reference):
            assert text
            assert text.count("$") % 2 == 0, text
    names = [claim.name for statement in chapter.values() for claim in statement.claims]
    assert len(set(names)) == len(names)


def verdicts(monkeypatch, fault, wanted, trajectories):
    break_engine(monkeypatch, fault)
    return js.verify(wanted, trajectories=trajectories).verdicts


MECHANISMS = {
    "constant-variance-1": "additive noise; a function of x",
    "tuned-50-exact": "the risk of an average",
    "jensen-constant-exact": "averages and path sums of one trajectory",
    "grows-at-20": "the probability of an event",
    "better-at-23": "a paired difference of two studies, at a step inside the run",
    "descent-risk": "no noise at all: full gradients",
    "target-second-moment": "losses drawn at random",
    "mean-of-examples-importance-sampling-2": "examples drawn with unequal probabilities, and weighted",
    "order-reshuffled": "examples reshuffled",
}
"""A claim for each way in which something is measured, and what that is."""


def test_half_the_gradient_refutes_a_claim_of_every_mechanism(chapter, monkeypatch):
    claims = [claim for statement in chapter.values() for claim in statement.claims if claim.name in MECHANISMS]
    found = verdicts(monkeypatch, "gradient_halved", claims, 2**14)
    assert found == dict.fromkeys((claim.name for claim in claims), Verdict.REFUTED)
    assert set(found) == set(MECHANISMS)


@pytest.mark.slow
def test_half_the_gradient_refutes_every_statement(chapter, monkeypatch):
    """115 studies, each compiled for itself: most of a minute."""
    found = verdicts(monkeypatch, "gradient_halved", chapter.values(), 2**14)
    assert {name for name, verdict in found.items() if verdict is not Verdict.REFUTED} == set()


FOUND_BY = {
    "schedule_off_by_one": ("polynomial-better", "figure-exponential"),
    "noise_too_large": ("unbiased", "figure-constant"),
    "noise_biased": ("unbiased", "noisier-than-descent"),
    "average_of_what_comes_after": ("jensen", "bound-on-the-average"),
    "momentum_where_there_should_be_none": ("one-step-identity", "distance-may-grow"),
    "record_one_step_late": ("piecewise-stages", "at-least-once"),
}
"""For each fault statements that find it; the second ones need more programs."""


@pytest.mark.parametrize("fault", FOUND_BY)
def test_each_fault_is_found(chapter, monkeypatch, fault):
    name = FOUND_BY[fault][0]
    assert verdicts(monkeypatch, fault, [chapter[name]], 2**16) == {name: Verdict.REFUTED}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FOUND_BY)
def test_each_fault_is_found_twice(chapter, monkeypatch, fault):
    name = FOUND_BY[fault][1]
    assert verdicts(monkeypatch, fault, [chapter[name]], 2**16) == {name: Verdict.REFUTED}


SLACK = {
    **dict.fromkeys(
        ("alternating-on-quadratic", "alternating-on-iris", "warm-up-on-quadratic", "warm-up-on-absolute-value"),
        "the falling order of rates is better under every fault, noise and gradients of all sizes",
    ),
    "warm-up-tuned-on-absolute-value": "no fault of these makes the falling order of these rates the worse one",
    "difference-on-plateau-on-quadratic": "to end on lower rates is better under every fault",
    "descent-better": "what has noise is worse than what has none under every fault",
    "frozen": "the rates decay under every fault",
    "near-grows": "near the minimum the distance grows under every fault",
    **dict.fromkeys(("jensen-constant", "jensen-polynomial"), "Jensen's inequality holds for every sequence of points"),
    **dict.fromkeys(("bound-constant", "tuned-1000", "rate-1600"), "the bound is loose by more than the faults make"),
    **dict.fromkeys(
        ("squares-difference", "exercise-3-means", "exercise-3-logistic"),
        "each example once in an epoch is better than draws with replacement under every fault: none is one of orders",
    ),
    "regret-average": "the bound is loose by more than the faults make, and holds for every sequence of gradients",
    "scale-not-units": "Adagrad in badly chosen units is as much worse under every fault",
    "sign SGD-1": "signs are noisier than gradients under every fault",
    "rotated-adagrad": "Adagrad in rotated coordinates does not get far under any fault",
}
"""Claims that no fault refutes, and why: inequalities that are true of the faulty engines, too."""


@pytest.mark.slow
def test_every_claim_is_refuted_by_some_fault(chapter, monkeypatch):
    """11 faults, 2^14 trajectories of everything: some three minutes."""
    found = set()
    for fault in FAULTS:
        with monkeypatch.context() as patched:
            break_engine(patched, fault)
            report = js.verify(chapter.values(), trajectories=2**14)
        found |= {finding.claim.name for finding in report.findings if finding.verdict is Verdict.REFUTED}
    claims = {claim.name for statement in chapter.values() for claim in statement.claims}
    assert claims - found <= set(SLACK)
    assert set(SLACK) <= claims
