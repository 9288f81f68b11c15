"""What the metadata of a call say of its caller."""

from gateway.edge.calls import Sender, read_sender


def test_of_metadata_of_one_name_the_first_counts() -> None:
    said = (("x-api-key", "mine"), ("user-agent", "tests"), ("x-api-key", "another's"))
    assert read_sender(said) == Sender("mine")
    assert read_sender((*said, ("x-gapura-pin", "2"), ("x-gapura-pin", "3"))) == Sender("mine", pin="2")


def test_whom_a_call_concerns_may_be_percent_encoded() -> None:
    assert read_sender((("x-gapura-unit", "caf%C3%A9"),)).unit == "café"
    assert read_sender(()) == Sender()
