"""The only place that knows of vmap, scan, tiles, blocks, chunks and workers.

- `kernel`: what one tile does: draw, observe, update, path sums.
- `lanes`: how a function of one trajectory is mapped over many.
- `statistics`: one file for each, from the lanes of a tile to mergeable sums.
- `program`: what of a study is compiled, and what is a number.
- `plan`: how it is cut, by platform, dimension and number of trajectories.
- `cells`: many studies of one program at once.
- `ledger`: how sums of chunks fold, always in one order.
- `driver`: who does the work; `job`: how it finds its way to other processes; `environment`: what makes two
  processes alike.
- `checkpoint`: what is kept of a run that may be interrupted; `fingerprint`: what ties it to its study.
"""

from jaxsgd.engine.plan import Form, Plan

__all__ = ["Form", "Plan"]
