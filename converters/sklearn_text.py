"""Texts in scikit-learn: how words are split in Python, and how the runtime is told to split them alike."""

from typing import Any

from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer

from converters.errors import ConversionError
from converters.graph import LOCALE

_DEFAULT_PATTERN = r"(?u)\b\w\w+\b"
_DEFAULT_WORDS = r"[\p{L}\p{N}_]{2,}"  # the same words in the runtime's syntax, which has no \b
_PYTHON_ONLY = ("\\b", "\\B", "\\w", "(?u)", "(?=", "(?!", "(?<")


def text_options(part: Any) -> dict[int, dict[str, Any]]:
    """Returns the options with which skl2onnx converts a vectorizer; none for other estimators.

    Raises:
        ConversionError: It does what no runtime can, or what skl2onnx writes wrongly.
    """
    _refuse_sublinear(part)
    if isinstance(part, HashingVectorizer):
        raise ConversionError("HashingVectorizer cannot be converted: use CountVectorizer or TfidfVectorizer")
    if not isinstance(part, CountVectorizer):
        return {}
    _refuse_unsupported(part)
    return {id(part): {"tokenexp": _words_of(part), "locale": LOCALE}}


def _refuse_sublinear(part: Any) -> None:
    if isinstance(part, TfidfTransformer | TfidfVectorizer) and part.sublinear_tf:
        raise ConversionError(
            f"{type(part).__name__} has sublinear_tf=True, which converts wrongly (log(1 + x) for 1 + log(x)): train it"
            " without"
        )


def _refuse_unsupported(part: CountVectorizer) -> None:
    name = type(part).__name__
    if part.analyzer != "word":
        raise ConversionError(f"{name} has analyzer={part.analyzer!r}, which no runtime splits alike: use 'word'")
    if part.strip_accents is not None:
        raise ConversionError(f"{name} has strip_accents, which no runtime does: train it on texts without accents")
    for option in ("preprocessor", "tokenizer"):
        if getattr(part, option) is not None:
            raise ConversionError(
                f"{name} has a {option} of its own, which is Python code: use a token_pattern instead"
            )


def _words_of(part: CountVectorizer) -> str:
    pattern = str(part.token_pattern)
    if pattern == _DEFAULT_PATTERN:
        return _DEFAULT_WORDS
    foreign = next((sign for sign in _PYTHON_ONLY if sign in pattern), None)
    if foreign:
        raise ConversionError(
            f"{type(part).__name__} has token_pattern={pattern!r}, whose {foreign!r} the runtime reads otherwise:"
            " name the characters, as in '[a-zA-Z0-9_]{2,}'"
        )
    return pattern
