"""Finds declarations: those that come with this package, and those that teams have applied."""

from importlib.resources import files
from pathlib import Path

from hub.durability import write_file
from hub.errors import HubError
from hub.features.declaration import Declaration, read_declaration, read_file


def declared_views() -> tuple[Declaration, ...]:
    """Returns the built-in declarations, ordered by name.

    Raises:
        HubError: One is not valid.
    """
    folder = files("hub.features") / "declared"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return tuple(read_declaration(each.read_text(encoding="utf-8"), each.name) for each in found)


def find_declaration(folder: Path, view: str) -> Declaration:
    """Returns the declaration of a view: as it was applied last, else the built-in one.

    Args:
        folder: Where applied declarations are kept.
        view: Name of the view.

    Raises:
        HubError: There is none.
    """
    if _applied(folder, view).is_file():
        return read_file(_applied(folder, view))
    built_in = {declaration.view: declaration for declaration in declared_views()}
    if view not in built_in:
        known = sorted({*built_in, *(path.stem for path in folder.glob("*.yaml"))})
        raise HubError(
            f"no view '{view}' is declared (there are: {', '.join(known) or 'none'}): write it into a file, and "
            "`gapura features apply FILE`"
        )
    return built_in[view]


def keep_declaration(folder: Path, view: str, content: bytes) -> None:
    """Keeps the file that declares a view, as it is: environment variables in it are filled in when they are used."""
    write_file(_applied(folder, view), content)


def _applied(folder: Path, view: str) -> Path:
    """Returns where a declaration is kept; a name that could lead elsewhere is looked for under another."""
    return folder / f"{Path(view).name}.yaml"
