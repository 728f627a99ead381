"""The confidence momentum controller (Zheng et al. 2026, appendix D), discovered by AutoTTS.

Finished branches vote; a smoothed confidence in their majority decides when to stop and when to widen.
"""


def schedule(beta):
    return {
        "open0": max(2, round(2 + 6 * beta)),
        "width": min(64, round(4 + 60 * beta)),
        "warm_up": max(2, round(2 + 8 * beta)),
        "patience": max(3, round(3 + 9 * beta)),
        "window": max(2, round(2 + 6 * beta)),
        "alpha": round(0.70 - 0.40 * beta, 4),
        "level": round(0.85 + 0.12 * beta, 4),
        "slack": round(0.04 - 0.03 * beta, 4),
        "burst": max(1, round(1 + 2 * beta)),
        "widen": max(1, round(1 + 3 * beta)),
        "trend": round(0.04 - 0.03 * beta, 4),
        "enough": max(2, round(2 + 3 * beta)),
    }


def control(episode, p):
    pool = []
    age = {}
    doubt = {}
    history = []
    ema = 0.0
    judged = -1
    open_more(episode, p.open0, pool, age)
    for t in range(500):
        if len(pool) != judged:
            leader, trust = judge(pool)
            judged = len(pool)
        ema = (1 - p.alpha) * ema + p.alpha * trust
        history = [*history, ema][-p.window :]
        steering = t >= p.warm_up and bool(pool)
        latest = {}
        if steering:
            latest = abandon_doubtful(episode, leader, doubt, p.patience)
        advance_live(episode, pool, age, [b for b in latest if latest[b] == leader], p.burst)
        if len(pool) != judged:
            leader, trust = judge(pool)
            judged = len(pool)
        ema = (1 - p.alpha) * ema + p.alpha * trust
        history[-1] = ema
        delta = ema - history[0] if len(history) > 1 else 0.0
        if t >= p.warm_up and len(pool) >= p.enough and ema >= p.level and delta >= -p.slack:
            return leader
        if not episode.active:
            break
        may_widen = delta <= p.trend and t >= max(1, p.warm_up // 2) and ema < p.level
        if may_widen and episode.opened < p.width:
            open_more(episode, min(p.widen, p.width - episode.opened), pool, age)
    return majority(pool) if pool else majority(episode.probe(episode.active))


def judge(pool):
    """The majority of the finished answers, and the confidence in it."""
    votes = tally(pool)
    first, second, *_ = [*votes.values(), 0, 0]
    return next(iter(votes), None), confidence(first, second)


def open_more(episode, count, pool, age):
    branches = episode.branch(count)
    age.update(dict.fromkeys(branches, 0))
    pool += episode.probe([b for b in branches if episode.finished(b)])


def abandon_doubtful(episode, leader, doubt, patience):
    """Prunes the branches that have disagreed with the leader for long; the latest answers of those that are left."""
    live = episode.active
    latest = dict(zip(live, episode.probe(live)))
    for b in live:
        doubt[b] = doubt.get(b, 0) + 1 if latest[b] != leader else 0
    doubtful = sorted((b for b in live if doubt[b] >= patience), key=lambda b: -doubt[b])
    doubtful = doubtful[: max(0, len(live) - 2)]
    episode.prune(doubtful)
    for b in doubtful:
        del latest[b]
    return latest


def advance_live(episode, pool, age, agreeing, burst):
    """One interval for every live branch, `burst` for those that agree; finished ones join the pool, oldest first."""
    live = sorted(episode.active, key=age.get, reverse=True)
    finished = advance(episode, live, 1, age)
    if burst > 1 and agreeing:
        finished += advance(episode, agreeing, burst - 1, age)
    if finished:
        pool += episode.probe([b for b in live if b in finished])


def advance(episode, branches, intervals, age):
    """The branches that have finished."""
    for b in branches:
        age[b] += intervals
    ended = episode.advance(branches, intervals)
    return [b for b, end in zip(branches, ended) if end] if True in ended else []
