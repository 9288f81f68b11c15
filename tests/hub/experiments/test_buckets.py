"""As few buckets as possible change their arm."""

from hypothesis import given
from hypothesis import strategies as st

from hub.experiments.buckets import BUCKETS, Slice, allocate, format_slices, is_whole, parse_slices, shares
from hub.registry.records import CHAMPION

_ARMS = ("challenger", "challenger-b", "challenger-c")


def owners(slices: tuple[Slice, ...]) -> list[str]:
    return [each.arm for each in slices for _ in range(each.count)]


def moved(before: tuple[Slice, ...], after: tuple[Slice, ...]) -> int:
    return sum(old != new for old, new in zip(owners(before), owners(after), strict=True))


@st.composite
def weights(draw: st.DrawFn) -> dict[str, int]:
    """Shares of some of three challengers, all calls together at the most."""
    cuts = sorted(draw(st.lists(st.integers(0, BUCKETS), min_size=3, max_size=3)))
    counts = [high - low for low, high in zip([0, *cuts], cuts, strict=False)]
    return {arm: count for arm, count in zip(_ARMS, counts, strict=True) if draw(st.booleans())}


@given(st.lists(weights(), min_size=1, max_size=4))
def test_shares_are_exact_and_no_more_buckets_move_than_arms_grow_by(steps: list[dict[str, int]]) -> None:
    before: tuple[Slice, ...] = (Slice(CHAMPION, 0, BUCKETS),)
    for step in steps:
        after = allocate(before, step)
        old, new = shares(before), shares(after)
        wanted = {**step, CHAMPION: BUCKETS - sum(step.values())}
        assert is_whole(after)
        assert new == {arm: count for arm, count in wanted.items() if count}
        assert moved(before, after) == sum(max(new.get(arm, 0) - old.get(arm, 0), 0) for arm in {*old, *new})
        assert allocate(after, step) == after
        before = after


@given(weights())
def test_a_tag_keeps_all_of_it(step: dict[str, int]) -> None:
    slices = allocate((), step)
    assert parse_slices(format_slices(slices)) == slices


def test_a_ramp_moves_buckets_of_the_champion_alone() -> None:
    ten = allocate((), {"challenger": 1000, "challenger-b": 500})
    twenty = allocate(ten, {"challenger": 2000, "challenger-b": 500})
    changed = {(old, new) for old, new in zip(owners(ten), owners(twenty), strict=True) if old != new}
    assert (changed, moved(ten, twenty)) == ({(CHAMPION, "challenger")}, 1000)


def test_whoever_came_last_leaves_first() -> None:
    ten = allocate((), {"challenger": 1000})
    twenty = allocate(ten, {"challenger": 2000})
    assert (format_slices(twenty), allocate(twenty, {"challenger": 1000})) == (
        "challenger:0-1999;champion:2000-9999",
        ten,
    )


def test_what_goes_and_comes_again_has_the_same_buckets() -> None:
    ten = allocate((), {"challenger": 1000})
    assert allocate(allocate(ten, {"challenger": 0}), {"challenger": 1000}) == ten
    assert format_slices(ten) == "challenger:0-999;champion:1000-9999"


def test_a_tag_that_somebody_edited_says_nothing() -> None:
    for text in ("", "challenger", "challenger:0", "challenger:0-9", "challenger:0-9999;champion:5-9", "a:b-c"):
        assert parse_slices(text) == ()
