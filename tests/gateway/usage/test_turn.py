"""The turn: one process has it, and another as soon as that one has let it go."""

from pathlib import Path

from gateway.usage.turn import Turn


def test_one_has_the_turn_until_it_gives_it_back(tmp_path: Path) -> None:
    first, second = Turn(tmp_path), Turn(tmp_path)
    assert [first.take(), first.take(), second.take()] == [True, True, False]
    first.give_back()
    assert [second.take(), first.take()] == [True, False]


def test_a_folder_that_is_missing_gives_nobody_the_turn(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "usage")
    assert not turn.take()
    (tmp_path / "usage").mkdir()
    assert turn.take()


def test_a_folder_that_is_replaced_has_one_turn(tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    folder.mkdir()
    first, second = Turn(folder), Turn(folder)
    assert first.take()
    folder.rename(tmp_path / "elsewhere")
    assert not first.take()
    folder.mkdir()
    assert [first.take(), second.take()] == [True, False]
