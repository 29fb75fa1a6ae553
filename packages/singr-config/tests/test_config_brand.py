"""One brand, as settings: what people see of it can be read."""

import pytest

from singr_config import BrandSettings, ConfigurationError
from singr_config.colors import LEAST_CONTRAST, contrast
from singr_config.testing import settings_for_tests

DARK_GROUNDS = ("#14121c", "#15131c", "#1f1c2b", "#1c1925", "#231f2e", "#2a2639")


@pytest.mark.parametrize("color", ["#ffffff", "#8a63e8", "#777777", "#00a86b"])
def test_a_colour_that_white_text_cannot_be_read_on_is_refused(color: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"BRAND_COLOR: must be darker: white text on {color}.*4\.5:1"):
        settings_for_tests(BRAND_COLOR=color)


@pytest.mark.parametrize("color", ["purple", "#6a35d", "#6a35d9ff", "rgb(1,2,3)", "6a35d9", "#6a35dg", "red;}"])
def test_a_colour_is_six_hexadecimal_digits(color: str) -> None:
    with pytest.raises(ConfigurationError, match="BRAND_COLOR: must be a colour as #"):
        settings_for_tests(BRAND_COLOR=color)


@pytest.mark.parametrize("color", ["#6a35d9", "#0B6E4F", "#000000", "#0000ff", "#7b0000", "#767676"])
def test_a_colour_that_is_taken_can_be_read_in_light_and_dark(color: str) -> None:
    brand = settings_for_tests(BRAND_COLOR=color).brand
    assert brand.color == color.lower()
    assert contrast(brand.color, "#ffffff") >= LEAST_CONTRAST
    assert min(contrast(brand.color_on_dark, ground) for ground in DARK_GROUNDS) >= LEAST_CONTRAST
    assert contrast(brand.text_on_light, brand.color_on_dark) >= LEAST_CONTRAST
    assert contrast("#1d1730", brand.box) >= LEAST_CONTRAST


@pytest.mark.parametrize("name", ["{{x}}", "<b>", "a\nb", "x" * 31, 'Singr"', "a:b", ".", "\u3164", "[[x]]", "$x"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="BRAND_NAME: must be 1 to 30 letters"):
        settings_for_tests(BRAND_NAME=name)


@pytest.mark.parametrize("name", ["Singr", "Zoë's Bar", "Krach & Co.", "カラオケ", "K-1"])
def test_a_name_is_shown_wherever_none_of_its_own_is_set(name: str) -> None:
    settings = settings_for_tests(BRAND_NAME=name)
    assert settings.brand.name == settings.email.mailjet.from_name == settings.auth.two_factor_issuer == name
    own = settings_for_tests(BRAND_NAME=name, TWO_FACTOR_ISSUER="Bar", MAILJET_FROM_NAME="News")
    assert (own.auth.two_factor_issuer, own.email.mailjet.from_name) == ("Bar", "News")


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert BrandSettings().box == "#f6f3fd"
