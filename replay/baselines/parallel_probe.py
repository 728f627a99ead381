"""Parallel-Probe (Zheng et al. 2026): branches side by side; those off the majority's track are pruned.

The majority is taken over the latest answers of all branches that are not pruned, finished ones included.
"""


def schedule(beta):
    return {"n": round(64**beta), "stable": 40, "patience": 7, "warm_up": 15, "max_steps": 100}


def control(episode, p):
    latest = dict.fromkeys(episode.branch(p.n))
    running = episode.active
    ended = [b for b in latest if b not in running]
    latest.update(zip(ended, episode.probe(ended)))
    off_track = {}
    winner = None
    stable = 0
    for step in range(p.max_steps):
        if running:
            ended = episode.advance(running)
            latest.update(zip(running, episode.probe(running)))
            if True in ended:
                running = episode.active
        previous, winner = winner, majority(latest.values())
        if step >= p.warm_up and len(latest) > 1:
            off_track = {b: off_track.get(b, 0) + 1 for b in running if latest[b] != winner}
            pruned = [b for b in off_track if off_track[b] >= p.patience]
            if pruned:
                episode.prune(pruned)
                running = episode.active
                for b in pruned:
                    del latest[b]
                winner = majority(latest.values()) if latest else previous
        stable = stable + 1 if step and winner == previous else 0
        if stable >= p.stable or not running:
            return winner
    return winner
