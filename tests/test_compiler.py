"""The compiler's setting: made in processes that are jaxsgd's own, never in somebody else's."""

import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import compiler
from jaxsgd.engine.plan import Plan

SCRIPT = """
import os
{before}
from jaxsgd import compiler
print(compiler.interleave(), os.environ.get("XLA_FLAGS", ""))
"""
PLUGIN = """
import importlib.machinery, sys, types
plugin = sys.modules["jax_cuda13_plugin"] = types.ModuleType("jax_cuda13_plugin")
plugin.__spec__ = importlib.machinery.ModuleSpec("jax_cuda13_plugin", None)
"""


def outcome(before="", flags=None):
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= {} if flags is None else {"XLA_FLAGS": flags}
    command = [sys.executable, "-c", SCRIPT.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    put, _, found = done.stdout.strip().partition(" ")
    return put == "True", found


needs_cpu_alone = pytest.mark.skipif(
    any(map(compiler.importlib.util.find_spec, compiler._ACCELERATORS)), reason="a plugin for accelerators is installed"
)


@needs_cpu_alone
def test_it_is_made_beside_other_flags():
    assert outcome() == (True, compiler.INTERLEAVE)
    assert outcome(flags="--xla_cpu_enable_fast_math=false") == (
        True,
        f"--xla_cpu_enable_fast_math=false {compiler.INTERLEAVE}",
    )


@pytest.mark.parametrize(
    ("before", "flags"),
    [
        ("import jax", None),
        ("", "--xla_backend_extra_options=-force-vector-interleave=2"),
        (PLUGIN, None),
    ],
    ids=["JAX is loaded", "the user has other options", "an accelerator"],
)
def test_it_is_not_made(before, flags):
    assert outcome(before, flags) == (False, flags or "")


RUN = """
import os, sys
import jaxsgd as js
js.simulate(js.chapter.study("polynomial"), 5000, progress=False).save(sys.argv[1])
print("XLA_FLAGS" in os.environ)
"""


def simulated(path, flags):
    """The result of the script in a process with these variables, and what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | flags
    command = [sys.executable, "-c", RUN, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return js.load(path), done.stdout.strip()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("plain") / "result.nc", {})


def test_using_the_package_sets_nothing(plain):
    assert plain[1] == "False"


@needs_cpu_alone
def test_numbers_agree_to_rounding_and_do_not_mix(plain, tmp_path):
    results = [plain[0], simulated(tmp_path / "result.nc", {"XLA_FLAGS": compiler.INTERLEAVE})[0]]
    for name, values in results[0].dataset.data_vars.items():
        interleaved = results[1].dataset[name]
        np.testing.assert_allclose(interleaved, values, rtol=1e-5, atol=1e-6, err_msg=str(name))
    with pytest.raises(js.errors.InvalidInput, match="differ in xla_flags"):
        js.merge(results)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sums_of_products_are_right(axis):
    """Where `SAFE` is not given, jaxlib 0.10.2 is wrong for axes 1 and 2, from the 33rd row of 1024 numbers on."""
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 16, 1024)).astype(np.float32)
    a = random.normal(size=(16, 1024)).astype(np.float32)
    found = compiler.jit(lambda x, a: jnp.expand_dims(jnp.sum(a * x, axis), axis) * a)(x, a)
    expected = np.sum(a.astype(float) * x, axis, keepdims=True) * a
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
    assert np.abs(expected).max() > 10


def test_plans_are_safe():
    plan = Plan.choose(2, 100, 1000)
    if plan.compiler_options:  # none where there is an accelerator
        assert set(compiler.accepted(compiler.SAFE)) <= set(plan.compiler_options)
    assert compiler.accepted((("no_such_option", True),)) == ()
