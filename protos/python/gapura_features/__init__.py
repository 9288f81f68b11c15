"""The layout of stored features in Redis, which whoever writes them shares with whoever reads them."""

from gapura_features.keys import is_entity, lock_key, pointer_key, pushes_key, row_key, row_prefix, state_key
from gapura_features.packed import CorruptRow, Row
from gapura_features.pointer import Pointer
from gapura_features.schema import BadValue, Column, FeatureType, Schema, Value, default_of, message_of, value_of

__all__ = [
    "BadValue",
    "Column",
    "CorruptRow",
    "FeatureType",
    "Pointer",
    "Row",
    "Schema",
    "Value",
    "default_of",
    "is_entity",
    "lock_key",
    "message_of",
    "pointer_key",
    "pushes_key",
    "row_key",
    "row_prefix",
    "state_key",
    "value_of",
]
