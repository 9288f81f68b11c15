"""Names of the keys of a view: its rows, which data is live, and what was pushed."""

MOST_ENTITY_BYTES = 512

# What every pointer begins with; rows never do, since the name of a view begins with a letter.
POINTERS = "f:@"


def row_prefix(view: str, data: int) -> str:
    """Returns what the keys of a view's rows begin with.

    Args:
        view: Name of the view.
        data: Number of its data, which grows whenever all rows are made anew.
    """
    return f"f:{view}.{data}:"


def row_key(view: str, data: int, entity: str) -> str:
    """Returns the key of one entity's row."""
    return f"f:{view}.{data}:{entity}"


def pointer_key(view: str) -> str:
    """Returns the key that says which data of a view is live."""
    return f"{POINTERS}{view}"


def pushes_key(view: str) -> str:
    """Returns the key of the stream of pushed rows, which are not kept offline yet."""
    return f"features:pushes:{view}"


def state_key(view: str) -> str:
    """Returns the key of what is known of the view's materialisations."""
    return f"features:state:{view}"


def lock_key(view: str) -> str:
    """Returns the key that whoever materialises the view holds."""
    return f"features:lock:{view}"


def is_entity(entity: str) -> bool:
    """Says whether a text can be the id of an entity: 1 to 512 bytes of UTF-8."""
    try:
        return 0 < len(entity.encode()) <= MOST_ENTITY_BYTES
    except UnicodeEncodeError:
        return False
