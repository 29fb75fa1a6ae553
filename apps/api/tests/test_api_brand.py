"""The brand on pages that people see is the one in the settings, and stands nowhere else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

import singr_api
from singr_api.app import documented_routes
from singr_api.wiring.installation import Installation
from singr_api.wiring.services import Services
from singr_config import BrandSettings
from singr_config.testing import settings_for_tests
from singr_observability import build_metrics

HTML = {"accept": "text/html"}
BRAND = {
    "BRAND_NAME": "Krach & Co",
    "BRAND_COLOR": "#0b6e4f",
    "BRAND_ICON_URL": "https://krach.example/icon.png",
}
PAGES = ("/reset-password", "/invitation", "/auth/magic", "/problems", "/problems/invalid", "/problems/x", "/schema")


@asynccontextmanager
async def serving(**environ: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for_tests(**environ)
    app = Installation(documented_routes(apart=False), Services(settings, build_metrics()))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_is_of_the_brand_that_the_settings_name(page: str) -> None:
    async with serving(**BRAND) as client:
        answer = await client.get(page, headers=HTML)
    assert "Krach &amp; Co" in answer.text
    assert "Singr" not in answer.text
    assert 'href="https://krach.example/icon.png"' in answer.text
    assert "https://krach.example" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("style", ["/links/page.css", "/schema/page.css"])
async def test_a_style_has_the_colour_of_the_settings_and_its_tint(style: str) -> None:
    async with serving(**BRAND) as client:
        text = (await client.get(style)).text
    brand = BrandSettings(color="#0b6e4f")
    assert f"--accent: {brand.color};" in text
    assert f"--accent: {brand.color_on_dark};" in text
    assert "$" not in text


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_has_the_built_in_icon_where_none_is_set(page: str) -> None:
    async with serving() as client:
        answer = await client.get(page, headers=HTML)
    assert 'rel="icon" href="data:image/svg+xml,' in answer.text
    assert "%236a35d9" in answer.text
    assert "img-src" in answer.headers["content-security-policy"]


def test_no_page_and_no_style_names_the_brand_or_its_colour_itself() -> None:
    brand = BrandSettings()
    assets = [path for path in Path(singr_api.__file__).parent.glob("**/assets/*") if path.is_file()]
    assert len(assets) > 10
    for path in assets:
        text = path.read_text(encoding="utf-8")
        for word in (brand.name, brand.color, "#b79cff", brand.color_on_dark):
            assert word not in text, path.name
