"""The gateway's part of the `gapura` command; each command is an entry point of the group `gapura.commands`."""
