"""ListViews: the views that a tenant may read, page by page."""

import pytest

from gateway.errors import InvalidFields, PermissionDenied
from tests.gateway.feature_store import Service, declared, view

NAMES = [f"crm_{number:03}" for number in range(101)]


async def test_views_are_listed_as_they_were_declared() -> None:
    listed = await Service().list()
    assert (list(listed.views), listed.next_page_token) == ([declared()], "")


async def test_a_tenant_sees_only_views_that_it_may_read() -> None:
    views = {name: view(name) for name in ("crm_visits", "customer", "crm_calls")}
    service = Service(views, policies={"crm": {"feature_views": ["crm_*"]}, "none": {"feature_views": []}})
    assert [each.name for each in (await service.list("crm")).views] == ["crm_calls", "crm_visits"]
    first = await service.list("crm", page_size=1)
    assert [each.name for each in (await service.list("crm", page_token=first.next_page_token)).views] == ["crm_visits"]
    assert not (await service.list("none")).views


async def test_by_default_a_tenant_reads_views_of_the_teams_whose_models_it_may_call() -> None:
    team = declared().team
    service = Service(policies={"own": {"models": [f"{team}_*"]}, "other": {"models": ["team9_*"]}})
    assert [each.name for each in (await service.list("own")).views] == ["customer"]
    await service.get("c1", tenant="own")
    assert not (await service.list("other")).views
    for name in ("customer", "none_such"):
        with pytest.raises(PermissionDenied, match=f"tenant 'other' may not read feature view '{name}'"):
            await service.get("c1", view=name, tenant="other")


@pytest.mark.parametrize(
    ("views", "size", "pages"), [(101, 0, [100, 1]), (101, 1000, [100, 1]), (101, 40, [40, 40, 21]), (80, 40, [40, 40])]
)
async def test_pages_follow_each_other_without_a_gap(views: int, size: int, pages: list[int]) -> None:
    names = NAMES[:views]
    service, token, seen, sizes = Service({name: view(name) for name in reversed(names)}), "", [], []
    while True:
        page = await service.list(page_size=size, page_token=token)
        seen += [each.name for each in page.views]
        sizes.append(len(page.views))
        token = page.next_page_token
        if not token:
            break
    assert (seen, sizes) == (names, pages)


async def test_a_page_has_no_negative_size() -> None:
    with pytest.raises(InvalidFields, match="page_size: must be 0 to 100, got -1"):
        await Service().list(page_size=-1)
