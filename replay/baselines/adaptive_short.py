"""Adaptive short: waves of branches in lock-step; the quickest of each wave vote, until their majority is safe."""


def schedule(beta):
    return {"n": round(8 * 8**beta), "wave": 8, "threshold": 0.85, "first": 0.25}


def control(episode, p):
    labels = []
    while True:
        wave = episode.branch(min(p.wave, p.n - episode.opened))
        finished = [b for b in wave if episode.finished(b)]
        labels += episode.probe(finished)
        needed = -int(-p.first * p.wave // 1)
        while True:
            if labels and safe(labels, p.threshold):
                return majority(labels)
            running = episode.active
            if len(finished) >= needed or not running:
                break
            ended = [b for b, end in zip(running, episode.advance(running)) if end]
            finished += ended
            labels += episode.probe(ended)
        episode.prune(running)
        if episode.opened >= p.n or episode.opened >= episode.max_branches:
            return majority(labels)


def safe(labels, threshold):
    first, second, *_ = [*tally(labels).values(), 0]
    return confidence(first, second) >= threshold
