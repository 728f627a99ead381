"""Parallel-Probe (Zheng et al. 2026): branches side by side; those off the majority's track are pruned.

The majority is taken over the latest answers of all branches that are not pruned, finished ones included.
"""


def schedule(beta):
    return {"n": round(64**beta), "stable": 40, "patience": 7, "warm_up": 15, "max_steps": 100}


def control(episode, p):
    branches = episode.branch(p.n)
    off_track = dict.fromkeys(branches, 0)
    latest = dict.fromkeys(branches)
    winner = None
    stable = 0
    for step in range(p.max_steps):
        running = episode.active
        if running:
            running = [b for b, ended in zip(running, episode.advance(running)) if not ended]
        previous, winner = winner, vote(episode, latest)
        if step >= p.warm_up and len(latest) > 1:
            pruned = drop_off_track(episode, running, latest, off_track, winner, p.patience)
            if pruned:
                winner = majority(latest.values()) if latest else previous
        stable = stable + 1 if step and winner == previous else 0
        if stable >= p.stable or not episode.active:
            return winner
    return winner


def vote(episode, latest):
    latest.update(zip(latest, episode.probe(latest.keys())))
    return majority(latest.values())


def drop_off_track(episode, running, latest, off_track, winner, patience):
    pruned = []
    for b in running:
        off_track[b] = off_track[b] + 1 if latest[b] != winner else 0
        if off_track[b] >= patience:
            pruned.append(b)
    episode.prune(pruned)
    for b in pruned:
        del latest[b]
    return pruned
