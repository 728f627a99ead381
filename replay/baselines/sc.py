"""Self-consistency (Wang et al. 2022): n complete branches, majority of their answers."""


def schedule(beta):
    return {"n": round(64**beta)}


def control(episode, p):
    return majority(episode.probe(episode.branch(p.n, complete=True)))
