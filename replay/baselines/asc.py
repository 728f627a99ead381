"""Adaptive self-consistency (Aggarwal et al. 2023): complete branches one at a time until the leader is safe."""


def schedule(beta):
    return {"n": round(8 * 8**beta), "threshold": 0.95}


def control(episode, p):
    votes = {}
    for opened in range(p.n):
        branch = episode.branch(1, True)
        if not branch:
            break
        (label,) = episode.probe(branch)
        votes[label] = votes.get(label, 0) + 1
        if opened:
            *_, second, first = sorted([0, *votes.values()])
            if confidence(first, second) > p.threshold:
                break
    return max(votes, key=votes.get)
