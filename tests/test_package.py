"""The package as a whole: what importing it costs, what it exports, and its documented examples."""

import doctest
import importlib
import importlib.resources
import pkgutil
import subprocess
import sys

import pytest

import jaxsgd

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(jaxsgd.__path__, "jaxsgd.") if not module.name.endswith("__main__")
)
NAMES = (
    *("averages", "chapter", "data", "errors", "methods", "noise", "oracles", "orders", "problems", "record"),
    *("schedules", "streams", "Study", "State", "Update"),
)


def loaded_after(statement):
    """Which of the heavy packages a fresh interpreter has loaded after this statement."""
    heavy = ("jax", "jaxlib", "optax", "equinox", "scipy", "scipy.stats", "xarray", "h5netcdf", "matplotlib", "typer")
    code = f"{statement}\nimport sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_import_is_light():
    assert loaded_after("import jaxsgd; dir(jaxsgd); jaxsgd.__version__") == []


def test_schedules_do_without_plots_and_files():
    loaded = loaded_after("import jaxsgd; jaxsgd.schedules.constant(0.1)")
    assert "jax" in loaded
    assert not {"scipy.stats", "xarray", "h5netcdf", "matplotlib", "typer"} & set(loaded)


def test_data_does_without_jax_and_scikit_learn():
    assert not {"jax", "scipy"} & set(loaded_after("import jaxsgd; jaxsgd.data.read"))


def test_package_is_typed():
    assert importlib.resources.files("jaxsgd").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_exported_names_exist(name):
    assert name in jaxsgd.__all__
    assert name in dir(jaxsgd)
    found = getattr(jaxsgd, name)
    assert (found.__name__ if name[0].isupper() else found.__name__.removeprefix("jaxsgd.")) == name


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'jaxsgd' has no attribute 'studie'"):
        _ = jaxsgd.studie


@pytest.mark.parametrize("name", ["oracles", "problems"])
def test_families_export_what_exists(name):
    family = getattr(jaxsgd, name)
    assert len(family.__all__) >= 3
    for exported in family.__all__:
        assert hasattr(family, exported)


@pytest.mark.parametrize("name", MODULES)
def test_documented_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_documented_examples_are_found():
    modules = [importlib.import_module(name) for name in MODULES]
    tests = [test for module in modules for test in doctest.DocTestFinder().find(module)]
    assert sum(len(test.examples) for test in tests) >= 20


def test_errors_are_the_usual_ones():
    errors = jaxsgd.errors
    assert issubclass(errors.InvalidType, TypeError)
    for kind in (errors.InvalidInput, errors.NoExactSolution):
        assert issubclass(kind, ValueError)
    assert errors.nearest("rsk", ["risk", "x"]) == "allowed: risk, x; did you mean 'risk'?"
    assert errors.nearest("zzz", ["risk", "x"]) == "allowed: risk, x"
