"""The baselines once more, rule by rule and one branch at a time, without episodes, batches or logs.

Each takes freshly made branches in opening order and returns its answer and the tokens it spent.
"""

from collections.abc import Callable
from math import ceil
from typing import Any

from replay.votes import confidence
from tests.slow_model import SlowBranch

INTERVAL = 100

Answer = str | None
Outcome = tuple[Answer, int]


def most_frequent(answers: list[Answer]) -> Answer:
    """The most frequent answer; of equals the first met."""
    return min(answers, key=lambda answer: (-answers.count(answer), answers.index(answer))) if answers else None


def certainty(answers: list[Answer]) -> float:
    """Confidence in the two largest counts."""
    counts = [*sorted((answers.count(answer) for answer in set(answers)), reverse=True), 0, 0]
    return confidence(counts[0], counts[1])


def sc(branches: list[SlowBranch], *, n: int) -> Outcome:
    """Self-consistency."""
    tokens = sum(branch.finish(INTERVAL) for branch in branches[:n])
    return most_frequent([branch.answer() for branch in branches[:n]]), tokens


def asc(branches: list[SlowBranch], *, n: int, threshold: float) -> Outcome:
    """Adaptive self-consistency."""
    tokens = 0
    answers: list[Answer] = []
    for branch in branches[:n]:
        tokens += branch.finish(INTERVAL)
        answers.append(branch.answer())
        if len(answers) >= 2 and certainty(answers) > threshold:
            break
    return most_frequent(answers), tokens


def esc(branches: list[SlowBranch], *, n: int, window: int) -> Outcome:
    """Early-stopping self-consistency; a window that is not full is not unanimous."""
    tokens = 0
    answers: list[Answer] = []
    for start in range(0, n // window * window, window):
        shown = branches[start : start + window]
        tokens += sum(branch.finish(INTERVAL) for branch in shown)
        answers += [branch.answer() for branch in shown]
        if len(shown) == window and all(branch.answer() == shown[0].answer() for branch in shown):
            return shown[0].answer(), tokens
    return most_frequent(answers), tokens


def parallel_probe(
    branches: list[SlowBranch], *, n: int, stable: int, patience: int, warm_up: int, max_steps: int
) -> Outcome:
    """Parallel-Probe."""
    unpruned = branches[:n]
    tokens = sum(branch.step(INTERVAL) for branch in unpruned)
    off_track = {id(branch): 0 for branch in unpruned}
    previous: Answer = None
    steady = 0
    for step in range(max_steps):
        tokens += sum(branch.step(INTERVAL) for branch in unpruned)
        winner = most_frequent([branch.answer() for branch in unpruned])
        if step >= warm_up and len(unpruned) > 1:
            for branch in unpruned:
                if not branch.ended:
                    off_track[id(branch)] = off_track[id(branch)] + 1 if branch.answer() != winner else 0
            left = [branch for branch in unpruned if branch.ended or off_track[id(branch)] < patience]
            if len(left) < len(unpruned):
                unpruned = left
                winner = most_frequent([branch.answer() for branch in left]) if left else previous
        steady = steady + 1 if step > 0 and winner == previous else 0
        previous = winner
        if steady >= stable or all(branch.ended for branch in unpruned):
            break
    return previous, tokens


def short_m_k(branches: list[SlowBranch], *, k: int, m: int) -> Outcome:
    """short-m@k."""
    opened = branches[:k]
    tokens = sum(branch.step(INTERVAL) for branch in opened)
    finished = [branch for branch in opened if branch.ended]
    while len(finished) < m and len(finished) < len(opened):
        for branch in opened:
            if branch not in finished:
                tokens += branch.step(INTERVAL)
        finished += [branch for branch in opened if branch.ended and branch not in finished]
    return most_frequent([branch.answer() for branch in finished]), tokens


def adaptive_short(branches: list[SlowBranch], *, n: int, wave: int, threshold: float, first: float) -> Outcome:
    """Adaptive short."""
    tokens = 0
    answers: list[Answer] = []
    available = branches[:n]
    for start in range(0, len(available), wave):
        running = available[start : start + wave]
        n_finished = 0
        while True:
            tokens += sum(branch.step(INTERVAL) for branch in running)
            ended = [branch for branch in running if branch.ended]
            running = [branch for branch in running if not branch.ended]
            n_finished += len(ended)
            answers += [branch.answer() for branch in ended]
            if answers and certainty(answers) >= threshold:
                return most_frequent(answers), tokens
            if n_finished >= ceil(first * wave) or not running:
                break
    return most_frequent(answers), tokens


class SlowMomentum:
    """The confidence momentum controller, in the words of its rules."""

    def __init__(self, branches: list[SlowBranch], values: dict[str, Any]) -> None:
        self.closed = list(branches)
        self.values = values
        self.opened: list[SlowBranch] = []
        self.abandoned: list[SlowBranch] = []
        self.pool: list[Answer] = []
        self.age: dict[int, int] = {}
        self.disagreement: dict[int, int] = {}
        self.tokens = 0

    def live(self) -> list[SlowBranch]:
        """Running and not abandoned."""
        return [branch for branch in self.opened if not branch.ended and branch not in self.abandoned]

    def advance(self, branch: SlowBranch) -> None:
        """One interval; at its end a branch joins the pool."""
        self.tokens += branch.step(INTERVAL)
        if branch.ended:
            self.pool.append(branch.answer())

    def open_more(self, count: int) -> None:
        """Opens branches one by one."""
        for _ in range(min(count, len(self.closed))):
            branch = self.closed.pop(0)
            self.opened.append(branch)
            self.age[id(branch)] = self.disagreement[id(branch)] = 0
            self.advance(branch)

    def abandon(self, winner: Answer) -> None:
        """Drops those that have disagreed for long, but for two."""
        live = self.live()
        for branch in live:
            self.disagreement[id(branch)] = self.disagreement[id(branch)] + 1 if branch.answer() != winner else 0
        doubtful = [branch for branch in live if self.disagreement[id(branch)] >= self.values["patience"]]
        doubtful.sort(key=lambda branch: -self.disagreement[id(branch)])
        self.abandoned += doubtful[: max(0, len(live) - 2)]

    def run(self) -> Outcome:
        """Answer and tokens."""
        values = self.values
        history: list[float] = []
        ema = 0.0
        self.open_more(values["open0"])
        for t in range(500):
            winner, settled = most_frequent(self.pool), t >= values["warm_up"] and len(self.pool) > 0
            ema = (1 - values["alpha"]) * ema + values["alpha"] * certainty(self.pool)
            history = [*history, ema][-values["window"] :]
            if settled:
                self.abandon(winner)
            for branch in sorted(self.live(), key=lambda branch: -self.age[id(branch)]):
                for _ in range(values["burst"] if settled and branch.answer() == winner else 1):
                    if not branch.ended:
                        self.advance(branch)
                        self.age[id(branch)] += 1
            ema = (1 - values["alpha"]) * ema + values["alpha"] * certainty(self.pool)
            history[-1] = ema
            delta = history[-1] - history[0] if len(history) >= 2 else 0.0
            sure = ema >= values["level"] and delta >= -values["slack"]
            if t >= values["warm_up"] and len(self.pool) >= values["enough"] and sure:
                return most_frequent(self.pool), self.tokens
            if not self.live():
                break
            room = values["width"] - len(self.opened)
            wanted = delta <= values["trend"] and t >= max(1, values["warm_up"] // 2) and ema < values["level"]
            if room > 0 and wanted:
                self.open_more(min(values["widen"], room))
        left = [branch.answer() for branch in self.opened if branch not in self.abandoned]
        return most_frequent(self.pool or left), self.tokens


def cmc(branches: list[SlowBranch], **values: Any) -> Outcome:
    """The confidence momentum controller."""
    return SlowMomentum(branches, values).run()


SLOW_BASELINES: dict[str, Callable[..., Outcome]] = {
    "sc": sc,
    "asc": asc,
    "esc": esc,
    "parallel_probe": parallel_probe,
    "short_m_k": short_m_k,
    "adaptive_short": adaptive_short,
    "cmc": cmc,
}
