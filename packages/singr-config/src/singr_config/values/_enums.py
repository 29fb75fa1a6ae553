"""Values that a variable may be chosen from."""

from enum import StrEnum


class AppEnv(StrEnum):
    """Where this process runs: it decides on defaults and on how strict the checks are."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"

    @property
    def is_production(self) -> bool:
        """Whether real users are served."""
        return self is AppEnv.PRODUCTION


class LogLevel(StrEnum):
    """Names of log levels, most severe first."""

    FATAL = "fatal"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    TRACE = "trace"
