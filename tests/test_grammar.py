"""The grammar: all that it composes is in the dialect, plays by the rules, reads well and says what it does."""

import ast
import itertools
import json
import math
import types
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.analysis import FailureKind
from discovery.grammar import GrammarExplorer, Recipe
from discovery.grammar.constants import Constant, Course, Span
from discovery.grammar.explorer import ATTENTION, attention
from discovery.grammar.parts import OPTIONAL, Family, Part
from discovery.grammar.recipe import PARTS, of_family, sound
from discovery.grammar.variation import compose, cross, mutate
from discovery.grammar.writer import write
from discovery.proposal import Failure, Origin, Parent, Situation
from replay.baselines import baseline_source
from replay.episode import EpisodeRecord, EpisodeSettings, ReplayedEpisode
from replay.errors import EpisodeError
from replay.importer import import_questions
from replay.scoring import BETAS
from replay.store import ReplayStore
from replay.synthetic import simulate
from replay.tables import branch_order
from replay.votes import confidence, majority, tally
from sandbox.compiler import compile_controller
from tests.recordings import Recording, store_of

EVEN = dict.fromkeys(Family, 1.0)
SEEDS = st.integers(0, 2**32 - 1)


@cache
def all_compositions() -> tuple[tuple[Part, ...], ...]:
    """Every sound choice of parts."""
    choices = []
    for family in Family:
        parts = of_family(family)
        sizes = range(OPTIONAL[family] + 1) if family in OPTIONAL else [1]
        choices.append([chosen for size in sizes for chosen in itertools.combinations(parts, size)])
    joined = (tuple(itertools.chain(*chosen)) for chosen in itertools.product(*choices))
    return tuple(parts for parts in joined if sound(parts))


def some_compositions(n: int) -> list[Recipe]:
    """An even sample of all compositions, with their default constants."""
    compositions = all_compositions()
    return [Recipe.of(compositions[i], {}) for i in range(0, len(compositions), len(compositions) // n)]


def play(source: str, store: ReplayStore, beta: float, *, question: int = 0, max_branches: int = 64) -> EpisodeRecord:
    """One episode in this process; the answer must be one that it has shown, or None."""
    names = {"majority": majority, "tally": tally, "confidence": confidence, "EpisodeError": EpisodeError}
    exec(compile(source, "controller", "exec"), names)
    values = names["schedule"](beta)
    table = store.table()
    record = EpisodeRecord()
    branches = table.question(question)
    settings = EpisodeSettings(max_branches=max_branches)
    order = branch_order(7, len(branches.rows))
    episode = ReplayedEpisode(branches, order, settings, table.interval, record)
    answer = names["control"](episode, types.SimpleNamespace(**values))
    assert answer is None or record.has_shown(answer)
    return record


@pytest.fixture(scope="module")
def synthetic_store() -> ReplayStore:
    layout = simulate("1.7B", n_questions=3, n_branches=24, rng=np.random.default_rng(3))
    return import_questions(layout, source="simulator", model="1.7B", benchmark="synthetic")[0]


def a_parent(recipe: Recipe | None, *, number: int = 1, failures: tuple[Failure, ...] = ()) -> Parent:
    source = write(recipe) if recipe else baseline_source("cmc")
    return Parent(number, source, "an idea", recipe.to_json() if recipe else "", 0.6, (), failures)


def asked_with(*parents: Parent) -> Situation:
    return Situation(
        iteration=5,
        parents=parents,
        front=(),
        attempts=(),
        best_number=1,
        best_area=0.6,
        single_branch=0.4,
        n_questions=20,
        stores=("model/benchmark",),
        overfit=None,
    )


def test_every_family_offers_a_choice() -> None:
    assert all(len(of_family(family)) >= 2 for family in Family)
    assert len(all_compositions()) > 5_000


def test_part_names_are_unique() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)


def test_every_part_occurs_in_a_sound_composition() -> None:
    assert {part for parts in all_compositions() for part in parts} == set(PARTS)


def test_sampled_compositions_are_in_the_dialect() -> None:
    for recipe in some_compositions(150):
        compile_controller(write(recipe))


def test_sampled_compositions_play_by_the_rules(synthetic_store: ReplayStore) -> None:
    for index, recipe in enumerate(some_compositions(120)):
        play(write(recipe), synthetic_store, BETAS[index % len(BETAS)], question=index % 3)


@pytest.mark.parametrize("ceiling", [1, 3])
def test_compositions_make_do_with_few_branches(synthetic_store: ReplayStore, ceiling: int) -> None:
    for recipe in some_compositions(40):
        play(write(recipe), synthetic_store, 1.0, max_branches=ceiling)


@pytest.mark.parametrize(
    "branch",
    [Recording((), 50, "7"), Recording((None,) * 6, 650, None), Recording(("7",), 30, "7")],
    ids=["without probes", "without answers", "shorter than its probes"],
)
def test_compositions_cope_with_strange_branches(branch: Recording) -> None:
    store, _ = store_of([[branch] * 12])
    for recipe in some_compositions(40):
        play(write(recipe), store, 1.0)


def test_longest_branches_stay_within_the_limits_of_an_episode() -> None:
    """64 branches of 80 intervals that never agree: as many calls as a composition can need."""
    branches = [Recording(tuple(f"{b}.{i % 3}" for i in range(80)), 8_000, str(b)) for b in range(64)]
    store, _ = store_of([branches])
    for recipe in some_compositions(60):
        serial = {name: Span(1, 1) for name in ("lanes", "abreast", "wave", "first") if name in recipe.constants}
        widest = {"width": Span(64, 64)} | {"longest": Span(90, 90)} if "longest" in recipe.constants else {}
        play(write(Recipe.of(recipe.parts, {**recipe.constants, **serial, **widest})), store, 1.0)


def test_source_reads_well() -> None:
    for recipe in some_compositions(300):
        source = write(recipe)
        assert max(map(len, source.splitlines())) <= 120
        assert source.endswith("\n") and "\n\n\n\n" not in source and " \n" not in source
        docstring = ast.get_docstring(ast.parse(source))
        assert docstring is not None
        assert all(part.does in docstring for part in recipe.parts)


def test_source_holds_nothing_that_is_not_used() -> None:
    for recipe in some_compositions(300):
        tree = ast.parse(write(recipe))
        schedule = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "schedule")
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} - {"schedule", "control"}
        read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        keys = {node.value for node in ast.walk(schedule) if isinstance(node, ast.Constant)}
        assert defined <= used
        assert set(recipe.constants) <= keys and set(recipe.constants) <= read
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            names = [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
            assert function.name == "schedule" or all(a.arg in names for a in function.args.args), function.name


def test_no_constant_of_any_composition_is_defined_twice() -> None:
    for parts in all_compositions():
        names = [constant.name for part in parts for constant in part.constants]
        assert len(names) == len(set(names))


@given(SEEDS)
def test_recipes_survive_a_round_trip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recipe = mutate(compose(rng).recipe, EVEN, rng).recipe
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"parts": ["no such part"], "constants": {}}', "{"])
def test_what_is_no_recipe_is_not_read_as_one(text: str) -> None:
    assert Recipe.from_json(text) is None


def test_recipe_with_a_constant_out_of_bounds_is_refused() -> None:
    record = json.loads(some_compositions(3)[0].to_json())
    record["constants"]["width"] = [1, 1e9]
    assert Recipe.from_json(json.dumps(record)) is None


@given(SEEDS)
def test_mutation_changes_the_source_and_keeps_it_sound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recipe = compose(rng).recipe
    for _ in range(4):
        child = mutate(recipe, EVEN, rng).recipe
        assert write(child) != write(recipe)
        assert sound(child.parts)
        assert all(constant.admits(span) for constant, span in child.all_constants())
        recipe = child


@given(SEEDS)
def test_crossing_takes_parts_of_both_and_nothing_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = compose(rng).recipe, compose(rng).recipe
    crossed = cross(one, other, rng)
    if crossed is not None:
        assert set(crossed.recipe.parts) <= {*one.parts, *other.parts}
        assert crossed.recipe not in (one, other)


@given(SEEDS)
def test_the_same_situation_and_seed_give_the_same_proposal(seed: int) -> None:
    situation = asked_with(*(a_parent(recipe, number=i) for i, recipe in enumerate(some_compositions(2)[:2])))
    once, again = (GrammarExplorer().propose(situation, np.random.default_rng(seed)) for _ in range(2))
    assert once == again
    assert once.origin is Origin.GRAMMAR
    assert Recipe.from_json(once.recipe) is not None


def test_parents_that_the_grammar_did_not_compose_are_not_built_on() -> None:
    proposal = GrammarExplorer().propose(asked_with(a_parent(None)), np.random.default_rng(1))
    assert proposal.parents == ()
    assert proposal.idea.startswith("composed afresh")


def test_proposals_build_on_the_first_parent_more_often_than_not() -> None:
    parent = a_parent(some_compositions(2)[0], number=12)
    rng = np.random.default_rng(2)
    proposals = [GrammarExplorer().propose(asked_with(parent), rng) for _ in range(60)]
    built = [proposal for proposal in proposals if proposal.parents == (12,)]
    assert len(built) > 30
    assert all(proposal.idea.startswith("#12 with ") for proposal in built)


@pytest.mark.parametrize("kind", ATTENTION)
def test_changes_go_where_the_parent_failed(kind: str) -> None:
    weights = attention(a_parent(None, failures=(Failure(kind, 0.3, 1_000.0),)))
    assert min(weights[family] for family in ATTENTION[kind]) > max(
        weights[family] for family in Family if family not in ATTENTION[kind]
    )


def test_every_kind_of_failure_but_errors_points_somewhere() -> None:
    assert set(ATTENTION) == set(FailureKind) - {FailureKind.ERROR}


def test_unknown_kinds_of_failure_and_none_leave_all_families_alike() -> None:
    assert set(attention(a_parent(None)).values()) == {1.0}
    assert set(attention(a_parent(None, failures=(Failure("new", 0.2, 1.0),))).values()) == {1.0}


@given(st.sampled_from([c for part in PARTS for c in part.constants]), SEEDS)
def test_expression_meets_both_ends_and_stays_between(constant: Constant, seed: int) -> None:
    rng = np.random.default_rng(seed)
    span = constant.default
    for _ in range(5):
        span = constant.moved(span, rng)
    values = [eval(constant.expression(span), {"beta": beta, "round": round}) for beta in BETAS]
    assert math.isclose(values[0], span.start, abs_tol=2e-4)
    assert math.isclose(values[-1], span.end, rel_tol=1e-3, abs_tol=2e-4)
    assert values == sorted(values, reverse=span.end < span.start)
    assert not constant.whole or all(isinstance(value, int) for value in values)


def test_constants_read_as_short_expressions() -> None:
    widths = Constant("width", Span(4, 64), 1, 64, Course.GEOMETRIC, whole=True)
    assert widths.expression(Span(4, 64)) == "round(4 * 16**beta)"
    assert widths.expression(Span(8, 8)) == "8"
    levels = Constant("level", Span(0.7, 0.9), 0, 1)
    assert levels.expression(Span(0.9, 0.75)) == "round(0.9 - 0.15 * beta, 4)"
