"""jaxsgd beside its peers."""

import functools

from measure import GAPS, Row, Scale, Section, interleaved
from peers import JAXSGD, LIMIT, NAIVE, Peer
from workload import LANES, STEPS

Curves = dict[str, dict[int, float]]  # peer, number of trajectories: trajectory-steps per second
_LONG, _TOO_LONG = 2.0, 15.0  # seconds of a run: from here on it is made once; not at all


def throughput(peers: list[Peer], scale: Scale) -> tuple[Section, dict[str, float]]:
    """The table of peers, and their speeds where each 10th step is recorded."""
    numbers = {peer.name: _share(peer.trajectories, scale) for peer in peers}
    runs = {
        (peer.name, every): functools.partial(peer.speed, numbers[peer.name], every) for peer in peers for every in GAPS
    }
    speeds = interleaved(runs, scale.rounds)
    rows: list[Row] = []
    for peer in peers:
        row: Row = {"": peer.name, "trajectories": numbers[peer.name]}
        for every, gap in GAPS.items():
            row[f"M/s, {gap}"] = speeds[peer.name, every] / 1e6
        for other, heading in ((LIMIT, "of C"), (NAIVE, "of JAX")):
            for every, gap in GAPS.items():
                known = (other, every) in speeds
                row[f"{heading}, {gap}"] = speeds[peer.name, every] / speeds[other, every] if known else None
        rows.append(row)
    title = f"Peers: M trajectory-steps/s, and ratios to '{LIMIT}' and to '{NAIVE}'"
    notes = tuple(f"{peer.name}: {peer.note}" for peer in peers if peer.note)
    return Section(title, rows, notes), {name: speed for (name, every), speed in speeds.items() if every == 10}


def over_trajectories(peers: list[Peer], speeds: dict[str, float], scale: Scale) -> tuple[Section, Curves]:
    """Speed against the number of trajectories, of the peers that run many at once."""
    numbers = [LANES * 10**power for power in range(3 if scale.quick else 5)]
    brief, long = {}, {}
    for peer in peers:
        for number in numbers if peer.trajectories >= LANES else ():
            seconds = number * STEPS / speeds[peer.name]
            if seconds < (_LONG / 4 if scale.quick else _TOO_LONG):
                runs = long if seconds > _LONG else brief
                runs[peer.name, number] = functools.partial(peer.speed, number, 10)
    measured = interleaved(brief, scale.rounds)
    measured |= {key: run() for key, run in long.items()}  # with compilation, which is a small part of it
    curves: Curves = {}
    for (name, number), speed in sorted(measured.items(), key=lambda item: item[0][1]):
        curves.setdefault(name, {})[number] = speed
    rows: list[Row] = [
        {"": name} | {f"{number:,}": curve[number] / 1e6 if number in curve else None for number in numbers}
        for name, curve in sorted(curves.items(), key=lambda item: speeds[item[0]])
    ]
    return Section("Number of trajectories: M trajectory-steps/s, every 10th step recorded", rows), curves


def a_thousand(peers: list[Peer], scale: Scale) -> Section:
    """The time of a call with 1000 trajectories, for which somebody waits."""
    few, names = 1000, (NAIVE, JAXSGD)
    runs = {
        (peer.name, every): functools.partial(peer.speed, few, every)
        for peer in peers
        if peer.name in names
        for every in GAPS
    }
    speeds = interleaved(runs, 3 * scale.rounds)
    rows: list[Row] = []
    for name in names:
        row: Row = {"": name}
        for every, gap in GAPS.items():
            row[f"ms, {gap}"] = 1e3 * few * STEPS / speeds[name, every]
        for every, gap in GAPS.items():
            row[f"of JAX, {gap}"] = speeds[name, every] / speeds[NAIVE, every]
        rows.append(row)
    return Section(f"{few} trajectories: milliseconds of a call, and ratio of speeds", rows)


def _share(trajectories: int, scale: Scale) -> int:
    """A part of the trajectories, a multiple of LANES where all of them are."""
    if trajectories < LANES:
        return max(int(trajectories * scale.share), 32)
    return max(int(trajectories * scale.share) // LANES, 1) * LANES
