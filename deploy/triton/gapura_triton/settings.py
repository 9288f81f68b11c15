"""Where the launcher keeps its files. Read by commands only."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TritonSettings(BaseSettings):
    """Settings of the launcher, from environment variables that start with `GAPURA_`.

    Relative paths start at the working directory.
    """

    model_config = SettingsConfigDict(env_prefix="GAPURA_", frozen=True, extra="ignore")

    var: Path = Field(default=Path("var"), description="Folder for data, artifacts, keys and logs.")
    repository: Path = Field(default=Path("model_repository"), description="Model repository, in Triton's layout.")

    @property
    def home(self) -> Path:
        """Folder of the launcher: the installation and the nodes."""
        return (self.var / "triton").absolute()
