"""What users call to run studies: simulate, sweep, compare, and what surrounds a run.

- `simulation`: one study. `sweeps`: many, whose cells `axes` makes and `arrangement` puts together.
- `comparison`: which cells may be the best. `examples_used`: which examples an order draws.
- `cost`: what a run will take. `progress`: how far it is. `provenance`: what it was made of.
"""
