"""What is written down of predictions and outcomes: a JSON object each, which the decision ledger will read.

| key | of | what |
|---|---|---|
| `kind` | both | `"prediction"` or `"outcome"` |
| `at` | both | when, RFC 3339 in UTC |
| `team` | both | whose client wrote it |
| `prediction_id` | both | identifies the prediction |
| `model`, `version` | prediction | registered name; version, empty if it is not known |
| `features`, `prediction` | prediction | what was asked and what was said |
| `outcome` | outcome | what came of it |

NaN is null; times are RFC 3339; arrays are lists.
"""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from gapura_client.hub_client.errors import InvalidRecord

MOST_BYTES = 1024 * 1024
MOST_ID_CHARACTERS = 256
MOST_DEPTH = 16
PREDICTION, OUTCOME = "prediction", "outcome"


def write_record(kind: str, team: str, prediction_id: str, at: datetime | None, **told: Any) -> bytes:
    """Returns a record as a line.

    Args:
        kind: What it is of.
        team: Who writes it.
        prediction_id: Of which prediction.
        at: When it was; now if not given.
        told: The other keys.

    Raises:
        InvalidRecord: The id is no id, the time has no zone, or a value is nothing that JSON has.
    """
    record = {
        "kind": kind,
        "at": _time(datetime.now(UTC) if at is None else at),
        "team": team,
        "prediction_id": check_id(prediction_id),
        **{name: plain(value, name) for name, value in told.items()},
    }
    line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    if len(line) > MOST_BYTES:
        raise InvalidRecord(f"the record has {len(line):,} bytes; at most {MOST_BYTES:,} are kept: leave something out")
    return line


def check_id(prediction_id: str) -> str:
    """Returns an id that is one.

    Raises:
        InvalidRecord: It is none.
    """
    if not isinstance(prediction_id, str) or not prediction_id.strip() or len(prediction_id) > MOST_ID_CHARACTERS:
        told = f"prediction_id is {prediction_id!r:.80}: pass the id of the answer, or what log_prediction returned"
        raise InvalidRecord(told)
    return _text(prediction_id, "prediction_id")


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """Returns a value as JSON has it.

    Raises:
        InvalidRecord: JSON has nothing like it; the message says where it is.
    """
    if depth > MOST_DEPTH:
        raise InvalidRecord(f"{where} is nested too deep, or holds itself: pass at most {MOST_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_key(key, where): plain(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(value)]
    if hasattr(value, "tolist"):  # of numpy, pandas and array
        return plain(value.tolist(), where, depth + 1)
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> Any:
    """Returns a value that holds no others as JSON has it."""
    if value is None or isinstance(value, bool | int):
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value, where)
    raise InvalidRecord(
        f"{where} is a {type(value).__name__}, which JSON does not have: pass numbers, texts, lists and dicts"
    )


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidRecord(f"{where} has the key {key!r:.80}: pass texts as keys")
    return _text(key, where)


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(f"{where} has half of a character, which UTF-8 does not have: pass whole ones") from error
    return value


def _number(value: float, where: str) -> float | None:
    if math.isinf(value):
        raise InvalidRecord(f"{where} is {value}, which JSON does not have: pass a number, or None")
    return None if math.isnan(value) else float(value)


def _time(value: datetime, where: str = "at") -> str:
    if value.tzinfo is None:
        raise InvalidRecord(f"{where} has no time zone: pass datetime.now(UTC) or the like")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_WRITERS: tuple[tuple[type, Callable[[Any, str], Any]], ...] = (
    (str, _text),
    (float, _number),
    (datetime, _time),
    (date, lambda value, _: value.isoformat()),
)
