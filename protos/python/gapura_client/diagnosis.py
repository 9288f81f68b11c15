"""Why a call failed when gRPC itself failed it, so that no server explained: a reason, and what to change."""

from dataclasses import dataclass

from grpc import StatusCode


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A failure that gRPC reports in its own words.

    Attributes:
        code: Status code of the failure.
        phrases: The status message contains one of them, in lower case.
        reason: Name of the cause.
        advice: What the caller can change, as a sentence.
    """

    code: StatusCode
    phrases: tuple[str, ...]
    reason: str
    advice: str


UNKNOWN_CAUSE = Diagnosis(StatusCode.UNKNOWN, (), "", "")
ANYTHING = ("",)

# The first that fits counts.
DIAGNOSES = (
    Diagnosis(
        StatusCode.RESOURCE_EXHAUSTED,
        ("message larger than max",),
        "MESSAGE_TOO_LARGE",
        "Send fewer items in one call; sending the same again fails again.",
    ),
    Diagnosis(
        StatusCode.UNAVAILABLE,
        ("handshake",),
        "HANDSHAKE_FAILED",
        "Check that both ends encrypt, or neither does, and that the server's certificate is trusted.",
    ),
    Diagnosis(
        StatusCode.UNAVAILABLE,
        ("dns resolution failed", "name resolution"),
        "NAME_UNKNOWN",
        "Check the host name in the target.",
    ),
    Diagnosis(
        StatusCode.UNAVAILABLE,
        ("failed to connect",),
        "CONNECTION_FAILED",
        "Nothing accepts connections there: check the target, and that the gateway runs.",
    ),
    Diagnosis(
        StatusCode.UNAVAILABLE,
        ("socket closed", "connection reset", "broken pipe", "goaway"),
        "CONNECTION_LOST",
        "The connection broke during the call: try again.",
    ),
    Diagnosis(
        StatusCode.DEADLINE_EXCEEDED,
        ANYTHING,
        "DEADLINE_EXCEEDED",
        "Allow more time, by timeout= on the call or timeout_seconds= on the channel, or send less.",
    ),
    Diagnosis(
        StatusCode.UNIMPLEMENTED,
        ANYTHING,
        "METHOD_UNKNOWN",
        "Check the target: the server there has no such method.",
    ),
)


def diagnose(code: StatusCode, message: str) -> Diagnosis:
    """Returns the diagnosis of a status that has no details."""
    text = message.lower()
    return next((entry for entry in DIAGNOSES if _fits(entry, code, text)), UNKNOWN_CAUSE)


def _fits(entry: Diagnosis, code: StatusCode, text: str) -> bool:
    return entry.code is code and any(phrase in text for phrase in entry.phrases)
