"""A run's settings: kept as JSON and read back, and the stores that they belong to."""

import json
from pathlib import Path

import pytest

from discovery.config import RunConfig, draw_validation, reopen_stores, use_stores
from discovery.errors import ArchiveError
from replay.errors import StoreError
from replay.split import Split, split_questions
from replay.store import save_store
from tests.small_runs import config_for, small_stores


def saved(folder: Path, *, n_questions: int = 6) -> list[Path]:
    folders = []
    for index, keyed in enumerate(small_stores(n_questions)):
        folders.append(folder / f"{n_questions}-{index}")
        save_store(keyed.store, keyed.key, folders[-1])
    return folders


def test_settings_are_read_back_from_json_as_they_were() -> None:
    config = config_for(small_stores())
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("change", [{"new_setting": 1}, {"seed": None}])
def test_settings_of_another_version_are_refused(change: dict[str, object]) -> None:
    values = config_for(small_stores()).to_json() | change
    if None in change.values():
        del values["seed"]
    with pytest.raises(ArchiveError, match=next(iter(change))) as caught:
        RunConfig.from_json(values)
    assert caught.value.hint


def test_the_split_is_that_of_the_validation_questions_kept() -> None:
    stores = small_stores()
    config = config_for(stores, seed=8)
    assert config.split(stores) == split_questions([keyed.store for keyed in stores], 8)
    assert sorted(config.split(stores).values()).count(Split.VALIDATION) == len(config.validation) == 2
    assert config.validation == draw_validation(stores[::-1], 8)


def test_a_run_s_stores_are_opened_again(tmp_path: Path) -> None:
    stores, used = use_stores(saved(tmp_path))
    config = RunConfig(stores=used, seed=0, n_seeds=1, validation=draw_validation(stores, 0))
    assert [keyed.store.digest for keyed in reopen_stores(config)] == [entry.digest for entry in used]
    assert all(Path(entry.folder).is_absolute() for entry in used)


def test_a_changed_store_is_refused(tmp_path: Path) -> None:
    stores, used = use_stores(saved(tmp_path))
    config = RunConfig(stores=used, seed=0, n_seeds=1, validation=draw_validation(stores, 0))
    other = saved(tmp_path, n_questions=5)[0]
    Path(used[0].folder).rename(tmp_path / "away")
    other.rename(used[0].folder)
    with pytest.raises(StoreError, match="has changed since the run began") as caught:
        reopen_stores(config)
    assert "start a new run" in caught.value.hint
