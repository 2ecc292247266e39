"""The only place that knows of vmap, scan, tiles, blocks, chunks and workers.

**Words**, from the smallest on; everything is counted in trajectories.

- lane: the place of a trajectory in a compiled program; lanes are the last axis of every array.
- block: 1024 consecutive ids, the unit of summation on the device.
- tile: the lanes that one call of the compiled program runs; a multiple of a block.
- chunk: the unit of sums on the host, and of merging: results that are cut at its multiples merge bitwise.
- unit: the larger of tile and chunk; work is cut at its multiples.
- part: some units that are run in one go, by one worker; what a checkpoint has a file of.
- cell: one study of a sweep. Launch: the cells that run together, in one task.
- record: one of the recorded steps, by its place among them.
- sums: what is kept of a range of ids, by statistic. Ledger: sums by range, folded in one order.
- shelf: the finished parts of one task in a checkpoint.

**Who holds what.** A task is what is computed. A job runs parts of a task, here or in other processes. An execution is
a run under way: its jobs, ledgers and shelves.

**Files**, by the question that they answer.

- What does a tile do? `kernel`: draw, observe, update, folds. `lanes`: how a function of one trajectory is mapped
  over many. `program`: what of a study is compiled, and what is a number. `statistics`: one file for each, from the
  argument that asks for it to its estimates. `draw_counts`: a kernel that only draws examples.
- How is it cut? `plan`: by platform, dimension and number of trajectories. `cells`: many studies of one program.
- How do sums fold? `ledger`.
- Who does the work? `task`, `job`, `driver` (which part when, on which executor), `execution`; `devices`: which one a
  thread computes on.
- What is kept, and of what? `checkpoint`: what an interruption leaves. `fingerprint`: what ties it to its study.
  `environment`: what makes two processes alike.
"""

from jaxsgd.engine.plan import Form, Plan

__all__ = ["Form", "Plan"]
