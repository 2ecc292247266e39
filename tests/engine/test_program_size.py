"""What a step of the chapter's study costs, read off the compiled program: no clock is involved.

The limits are the values of jaxlib 0.10.2, seen beside the speeds in ``scripts/benchmark/LOG.md``. A
change that raises one has made the step dearer, and needs a measurement to justify it.
"""

import re

import jax
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import bench
from jaxsgd.engine.kernel import Span
from jaxsgd.engine.plan import Form
from jaxsgd.runs.tasks import make_layout, make_task

LANES = 16384
on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the form of an accelerator is another")


def task_of(study, statistics, plan):
    layout = make_layout(study, statistics=statistics)
    task = make_task(study, layout.statistics, {}, 0, 2**20, 0, plan)
    span = Span(np.uint32(0), np.int32(0), np.int32(plan.tile))
    return task.tile(careful=False).jitted, (task.inputs, task.key, span)


class Cost(dict):
    """Of one pass of a loop, without the loops inside: kernels and copies of lanes, and bytes carried for each lane."""

    def __init__(self, body: str) -> None:
        carried = re.search(r"^.* parameter\(0\)", body, re.M).group()
        wide = rf"(f32|c64|u32|pred|s32)\[((?:\d+,)*{LANES}|(?:\d+,)*{LANES // 1024},1024)\]"
        sizes = {"f32": 4, "u32": 4, "s32": 4, "c64": 8, "pred": 1}
        held = [(kind, np.prod([int(n) for n in dims.split(",")])) for kind, dims in re.findall(wide, carried)]
        super().__init__(
            kernels=len(re.findall(r" (?:fusion|reduce|reduce-window|call)\(", body)),
            copies=len(re.findall(rf"= {wide}\S* copy\(", body)),
            carried=int(sum(sizes[kind] * count for kind, count in held)) // LANES,
        )


def costs(study, statistics=("mean", "variance"), form=None):
    """Cost of the outer loop, a pass for each record, and of the loop over steps in it."""
    plan = js.Plan.choose(2, study.steps, 2**20)
    assert plan.tile == LANES
    tile, arguments = task_of(study, statistics, plan if form is None else plan.replace(form=form))
    text = tile.lower(*arguments).compile().as_text()
    bodies = dict(re.findall(r"^(?:ENTRY )?%([\w.\-]+) \(.*?\{$(.*?)^\}", text, re.M | re.S))
    loops = [name for body in bodies.values() for name in re.findall(r"body=%([\w.\-]+)", body)]
    outer = next((name for name in loops if re.search(r"body=%", bodies[name])), loops[-1])
    inner = re.findall(r"body=%([\w.\-]+)", bodies[outer])
    return [Cost(bodies[name]) for name in (outer, *inner)]


def study(every, **changes):
    return bench.three_observables(every).study.replace(**{"steps": 100} | changes)


@on_cpu
def test_a_step_stays_as_cheap_as_it_is():
    _, step = costs(study(10))
    assert step["kernels"] <= 5  # draw, average, iterate, coefficients, counter
    assert step["copies"] <= 1  # XLA keeps the draw twice
    assert step["carried"] <= 28  # x, its average and the draw, 8 bytes each; the ids


@on_cpu
@pytest.mark.parametrize(
    ("make", "kernels"),
    [(bench.three_observables, 11), (bench.everything, 23)],
    ids=["three observables", "everything"],
)
def test_a_record_stays_as_cheap_as_it_is(make, kernels):
    """Everything recorded at every step, the step itself included."""
    workload = make(1)
    (record,) = costs(workload.study.replace(steps=100), workload.statistics)
    assert record["kernels"] <= kernels
    assert record["copies"] == 0


@on_cpu
def test_control_what_costs_more_counts_more():
    _, plain = costs(study(10))
    two = {"eta": js.averages.StepSizeWeighted(), "all": js.averages.Uniform()}
    _, averaged = costs(study(10, averages=two, observe=(*bench.THREE, "risk_of_all")))
    assert averaged["carried"] == plain["carried"] + 8
    assert averaged["kernels"] > plain["kernels"]
    _, inline = costs(study(10), form=Form(carry_draws=False))
    assert inline["carried"] <= plain["carried"] - 8


def accelerated(gap, form):
    """The program that a GPU is given, as JAX lowers it for CUDA on any machine."""
    plan = js.Plan.for_accelerator(2, LANES, 2**20)
    tile, arguments = task_of(study(gap, steps=6 * gap), ("mean", "variance"), plan.replace(form=form or plan.form))
    return plan, tile.trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()


def evaluations(text):
    """How often the generator, which alone takes a square root, is written out, and called."""
    functions = dict(re.findall(r"func\.func (?:public |private )?@(\w+)\((.*?)^  \}", text, re.M | re.S))

    def count(name):
        return functions[name].count("stablehlo.sqrt") + sum(map(count, re.findall(r"call @(\w+)", functions[name])))

    return count("main")


def test_the_program_for_a_gpu():
    """One launch holds all trajectories; loops have fixed trip counts, wait for no host and draw once an update."""
    plan, text = accelerated(16, None)
    assert plan.tile == 2**20
    assert not plan.form.carry_draws
    assert plan.form.split_state
    bounds = re.findall(r"cond \{(.*?)\} do", text, re.S)
    assert len(bounds) == 2  # over records, over the steps between them
    for bound in bounds:
        limit = re.search(r"compare\s+LT, %\S+, (%\w+)", bound).group(1)
        assert re.search(rf"{limit} = stablehlo\.constant dense<\d+>", bound)
    assert not re.search("custom_call|infeed|outfeed|send|recv", text)
    assert evaluations(text) == plan.form.unroll
    carried = re.findall(r"tensor<1048576xf32>", text.split("stablehlo.while")[1].split("cond")[0])
    assert len(carried) >= 4  # x and its average, each coordinate an array of its own


def test_control_a_step_that_is_not_unrolled_draws_once():
    _, text = accelerated(16, Form(carry_draws=False, split_state=True, unroll=1))
    assert evaluations(text) == 1
