"""What a claim accepts, how it shows itself, and how it refuses."""

import doctest

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.verification import claim as module

STUDY = js.chapter.study("constant")
SUFFIX = STUDY.replace(averages={"late": js.averages.Suffix(0.5)}, observables={"first": lambda x: x[0]})


def claim(**changes):
    return js.Claim(
        **{"name": "c", "statement": "s", "study": STUDY, "variable": "risk", "relation": "==", "value": 1} | changes
    )


def test_documented_examples_run():
    assert doctest.testmod(module).failed == 0


def test_the_step_is_the_last_unless_it_is_given():
    assert claim().at == 50
    assert claim(step=np.int64(7)).at == 7
    assert type(claim(step=np.int64(7)).step) is int
    assert claim(study=js.chapter.study("constant", steps=20), against=STUDY).at == 20


def test_it_shows_what_is_tested():
    assert repr(claim(relation="<=", step=3)) == "Claim('c': E risk <= 1 at step 3)"
    assert repr(claim(variable=jnp.sum, against=STUDY)) == "Claim('c': E Z == 1 at step 50, paired difference)"
    assert claim(variable="distance_squared", relation="within").formula == (
        r"$\mathbb{E}\,\text{distance\_squared} \approx 1$ at step 50"
    )


@pytest.mark.parametrize(
    ("changes", "margin"),
    [
        ({"value": -2.0}, 0.02),
        ({"value": 0.0}, 0.05),  # a hundredth of the standard deviation
        ({"variable": lambda x: x[0] > 0, "value": 0.3}, 0.01),
    ],
)
def test_default_margins(changes, margin):
    one = claim(**changes)
    assert one.default_margin(0.01, 5.0, probability=callable(one.variable)) == pytest.approx(margin)


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"name": ""}, InvalidType, "name must be a string that is not empty, got ''"),
        ({"study": js.Study}, InvalidType, "study of claim 'c' must be a jaxsgd.Study"),
        ({"against": 3}, InvalidType, "against of claim 'c' must be a jaxsgd.Study, got 3"),
        ({"relation": "=<"}, InvalidInput, "'=<' is not a relation; allowed: ==, <="),
        ({"value": np.nan}, InvalidInput, "value must be finite, got nan"),
        ({"margin": 0.0}, InvalidInput, "margin of claim 'c' must be greater than 0, got 0"),
        ({"magnitude": -1.0}, InvalidInput, "magnitude of claim 'c' must be greater than 0, got -1"),
        ({"assumptions": "R is convex"}, InvalidType, "assumptions of claim 'c' must be a list of texts"),
        ({"step": 51}, InvalidInput, r"step of claim 'c' must lie in 0\.\.50, got 51"),
        ({"step": 2.0}, InvalidType, r"step of claim 'c' must be an integer, got 2\.0"),
        ({"step": -1}, InvalidInput, "step of claim 'c' must be at least 0, got -1"),
        ({"against": js.chapter.study("constant", steps=20)}, InvalidInput, r"must lie in 0\.\.20, got 50"),
        ({"variable": "rsk"}, InvalidInput, "claim 'c' has no variable 'rsk'; allowed: .*; did you mean 'risk'?"),
        ({"variable": 3}, InvalidType, "variable of claim 'c' must be the name of an observable or a function"),
        ({"variable": lambda x: x}, InvalidInput, r"variable of claim 'c' must be one number .* shape \(2,\)"),
        ({"variable": lambda s: s.averages["eat"]}, InvalidType, "variable of claim 'c': .* neither on x"),
        (
            {"study": SUFFIX, "variable": "risk_of_late", "step": 25},
            InvalidInput,
            "'risk_of_late' of claim 'c' has no value at step 25: the average starts later",
        ),
        ({"study": SUFFIX, "against": STUDY, "variable": "first"}, InvalidInput, "no variable 'first'"),
    ],
)
def test_bad_input_is_named(changes, kind, message):
    with pytest.raises(kind, match=message):
        claim(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "name must be a string that is not empty"),
        ({"claims": claim()}, "claims of statement 'n' must be a list of claims, got Claim"),
        ({"claims": ["risk"]}, "claims of statement 'n' must be a list of claims"),
    ],
)
def test_statements_hold_claims(changes, message):
    with pytest.raises(InvalidType, match=message):
        js.Statement(**{"name": "n", "place": "p", "sentence": "s", "tested": "t", "claims": []} | changes)


def test_a_claim_on_its_own_is_a_statement():
    made = js.Statement.of(claim(assumptions=["R is convex", "T = 50"], reference="me"), place="here")
    assert (made.name, made.place, made.reference) == ("c", "here", "me")
    assert made.tested.endswith("at step 50 Assumed: R is convex; T = 50.")
