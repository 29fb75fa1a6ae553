"""The documentation page, as people meet it: read, searched, copied from, and tried."""

import pytest

from singr_dev.browser import Browser, Page

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(180)]
# What a person sees when every part is unfolded but for code and what is typed.
ALL_TEXT = """(() => {
  for (const one of document.querySelectorAll("article")) one.querySelectorAll(":scope > .words > details")
    .forEach((details) => { details.open = true; });
  const copy = document.body.cloneNode(true);
  copy.querySelectorAll("pre, script, noscript, textarea").forEach((part) => part.remove());
  return copy.textContent;
})()"""
SEARCH = """((wanted) => {
  const find = document.getElementById("find");
  find.value = wanted;
  find.dispatchEvent(new Event("input"));
  const shown = (part) => part.checkVisibility();
  return {
    headings: [...document.querySelectorAll("#nav h2")].filter(shown).length,
    links: [...document.querySelectorAll("#nav a")].filter(shown).length,
    nothing: shown(document.getElementById("nothing")),
  };
})"""


async def test_the_page_is_read_searched_copied_from_and_tried_in_narrow_windows_and_wide_ones(
    browser: Browser, standing_url: str
) -> None:
    """One visit: what a browser needs for the whole document is most of what this costs."""
    page = await browser.page()
    await window(page, 360)
    await page.open(f"{standing_url}/schema")
    await page.wait_for("document.querySelectorAll('article').length > 100")
    await fits(page, 360)
    await window(page, 1440)
    await fits(page, 1440)
    await a_search_without_hits_says_so_and_leaves_no_empty_headings(page)
    await every_operation_has_samples_in_three_languages_to_copy(page)
    await no_raw_markup_is_shown_and_nothing_complained_of(page)
    await a_route_is_tried(page)


async def window(page: Page, width: int) -> None:
    await page.command(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
    )


async def fits(page: Page, width: int) -> None:
    assert await page.run("window.innerWidth") == width
    assert await page.run("document.documentElement.scrollWidth") <= width


async def no_raw_markup_is_shown_and_nothing_complained_of(page: Page) -> None:
    text = await page.run(ALL_TEXT)
    assert "`" not in text
    assert "**" not in text
    assert "[object" not in text
    assert page.complaints == []


async def a_search_without_hits_says_so_and_leaves_no_empty_headings(page: Page) -> None:
    assert await page.run(f"{SEARCH}('zebra')") == {"headings": 0, "links": 0, "nothing": True}
    found = await page.run(f"{SEARCH}('/v1/operation-log')")
    assert found == {"headings": 1, "links": 1, "nothing": False}
    await page.run(f"{SEARCH}('')")


async def every_operation_has_samples_in_three_languages_to_copy(page: Page) -> None:
    for language, begins in (("curl", "curl "), ("Python", "import "), ("TypeScript", "const answer = await fetch(")):
        await page.run(f"document.querySelector('[data-language={language}]').click()")
        samples = await page.run("[...document.querySelectorAll('.samples code')].map((code) => code.textContent)")
        assert len(samples) == await page.run("document.querySelectorAll('article').length")
        assert [sample for sample in samples if not sample.startswith(begins)] == []
    assert await page.run("document.querySelectorAll('.samples .copy').length") == len(samples)


async def a_route_is_tried(page: Page) -> None:
    await page.run("document.querySelector('#listJobs .beside details').open = true")
    await page.wait_for("document.querySelector('#listJobs .try button')")
    await page.run("document.querySelector('#listJobs .try button').click()")
    await page.wait_for("document.querySelector('#listJobs .answer .status')?.textContent === '401'")
    problem = await page.run("document.querySelector('#listJobs .answer code').textContent")
    assert "unauthenticated" in problem
