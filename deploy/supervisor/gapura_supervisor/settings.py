"""Where a deployment leaves its traces. Read by commands only."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gapura_supervisor.state import Place


class SupervisorSettings(BaseSettings):
    """Settings of supervision, from environment variables that start with `GAPURA_`.

    Relative paths start at the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="GAPURA_", frozen=True, extra="ignore")

    var: Path = Field(default=Path("var"), description="Folder for data, artifacts, keys and logs.")

    @property
    def place(self) -> Place:
        """Where the supervisor of `gapura up` is found."""
        return Place((self.var / "run").absolute())
