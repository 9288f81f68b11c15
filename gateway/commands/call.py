"""`gapura call`: calls a typed method of a gateway from the command line; its commands are read from the contracts."""

from pathlib import Path

import click

COMMANDS = "gapura.call.commands"  # where a context keeps what its contracts made


class ContractGroup(click.Group):
    """A group whose commands are the services of the contracts, read when first asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names the commands in alphabetical order."""
        return sorted(self._commands(ctx))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns a command by its name, None where there is none."""
        return self._commands(ctx).get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that arguments begin with: of a service, or of a method that stands behind its service."""
        from gateway.commands.contract_commands import method_command

        service, slash, method = args[0].partition("/")
        names, rest = ((service, method), args[1:]) if slash else (tuple(args[:2]), args[2:])
        if len(names) == 2:  # noqa: PLR2004 - a service and a method
            command = method_command(ctx.params.get("contracts"), *names)
            if command is not None:
                return command.name, command, rest
        return super().resolve_command(ctx, args)

    def _commands(self, ctx: click.Context) -> dict[str, click.Command]:
        from gateway.commands.contract_commands import contract_commands

        if COMMANDS not in ctx.meta:
            ctx.meta[COMMANDS] = contract_commands(ctx.params.get("contracts"))
        commands: dict[str, click.Command] = ctx.meta[COMMANDS]
        return commands


call = ContractGroup(
    "call",
    help="Call a method of a running gateway. The commands are read from the contracts; a method may also be named "
    "with its service, as in `gapura call CreditService ScoreCredit`.",
    params=[
        click.Option(
            ["--contracts"],
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            is_eager=True,
            help="Compiled descriptor set, imports included, whose services can be called too.",
        )
    ],
)
