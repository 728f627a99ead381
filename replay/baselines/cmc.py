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
    started = {}
    doubt = {}
    history = []
    ema = 0.0
    judged = -1
    open_more(episode, p.open0, pool, started, 0)
    for t in range(500):
        if len(pool) != judged:
            leader, trust = judge(pool)
            judged = len(pool)
        ema = (1 - p.alpha) * ema + p.alpha * trust
        history = [*history, ema][-p.window :]
        live = episode.active
        agreeing = []
        if t >= p.warm_up and pool:
            labels = episode.probe(live)
            if p.burst > 1:
                agreeing = [b for b, label in zip(live, labels) if label == leader]
            doubt = {b: doubt.get(b, 0) + 1 for b, label in zip(live, labels) if label != leader}
            live = abandon_doubtful(episode, live, doubt, p.patience)
        pool += advance(episode, live, agreeing, p.burst - 1, started)
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
            open_more(episode, min(p.widen, p.width - episode.opened), pool, started, t + 1)
    return majority(pool) if pool else majority(episode.probe(episode.active))


def judge(pool):
    """The majority of the finished answers, and the confidence in it."""
    votes = tally(pool)
    first, second, *_ = [*votes.values(), 0, 0]
    return next(iter(votes), None), confidence(first, second)


def open_more(episode, count, pool, started, t):
    branches = episode.branch(count)
    started.update(dict.fromkeys(branches, t))
    pool += episode.probe([b for b in branches if episode.finished(b)])


def abandon_doubtful(episode, live, doubt, patience):
    """Prunes branches that have disagreed with the leader for long, all but two at most; the branches left."""
    doubtful = [b for b in doubt if doubt[b] >= patience]
    if doubtful and len(live) > 2:
        episode.prune(sorted(doubtful, key=doubt.get, reverse=True)[: len(live) - 2])
        live = episode.active
    return live


def advance(episode, live, agreeing, extra, started):
    """One interval for every live branch, and `extra` for those that agree, as if they had started earlier.

    Returns the answers of those that finish, the oldest first.
    """
    ended = episode.advance(live)
    if agreeing:
        ended += episode.advance(agreeing, extra)
    answers = []
    if True in ended:
        running = episode.active
        answers = episode.probe(sorted((b for b in live if b not in running), key=started.get))
    for b in agreeing:
        started[b] -= extra
    return answers
