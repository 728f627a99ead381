"""short-m@k (Hassid et al. 2025): k branches in lock-step; once m have finished, the finished ones vote."""


def schedule(beta):
    k = round(64**beta)
    return {"k": k, "m": max(1, k // 4)}


def control(episode, p):
    branches = episode.branch(p.k)
    finished = [b for b in branches if episode.finished(b)]
    while len(finished) < p.m:
        running = episode.active
        if not running:
            break
        finished += [b for b, ended in zip(running, episode.advance(running)) if ended]
    return majority(episode.probe(finished))
