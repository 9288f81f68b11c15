"""The `gapura` command, assembled from the entry points of the group `gapura.commands`."""

from importlib.metadata import entry_points

import click

GROUP = "gapura.commands"


class Commands(click.Group):
    """Finds commands by entry point, so that each half brings its own and only the one that runs is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Names every command that is installed."""
        return sorted(entry_points(group=GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """Loads one command."""
        found = entry_points(group=GROUP, name=cmd_name)
        command: click.Command | None = found[cmd_name].load() if found else None
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gapura")
def main() -> None:
    """Serve machine-learning models over typed gRPC."""


if __name__ == "__main__":
    main(prog_name="gapura")
