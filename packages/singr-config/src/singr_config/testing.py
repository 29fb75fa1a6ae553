"""Settings for tests of code that uses singr-config."""

from singr_config.loading._load import load_settings
from singr_config.sections._settings import Settings


def settings_for_tests(**environ_overrides: str) -> Settings:
    """Settings with the defaults of APP_ENV=test and these variables: `settings_for_tests(PORT="8080")`.

    Neither this process's environment nor a `.env` file is read, so a test sees the same on every machine.

    Raises:
        ConfigurationError: the variables given do not hold together.
    """
    return load_settings({"APP_ENV": "test", **environ_overrides}, env_file=None)
