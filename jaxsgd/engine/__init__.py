"""The only place that knows of vmap, scan, tiles, blocks, chunks and workers.

- `kernel`: what one tile does: draw, observe, update, path sums.
- `lanes`: how a function of one trajectory is mapped over many.
- `statistics`: one file for each, from the lanes of a tile to mergeable sums.
- `program`: what of a study is compiled, and what is a number.
- `plan`: how it is cut, by platform, dimension and number of trajectories.
- `ledger`: how sums of chunks fold, always in one order.
- `driver`: who does the work.
"""

from jaxsgd.engine.plan import Form, Plan

__all__ = ["Form", "Plan"]
