"""Texts in scikit-learn: how words are split in Python, and how the runtime is told to split them alike."""

import re
from typing import Any

from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer

from converters.errors import ConversionError
from converters.estimators import list_estimators
from converters.graph import LOCALE

_BOUNDED = re.compile(r"(?:\(\?u\))?\\b((?:\\w)*\\w(?:\+|\{\d+,\}))\\b")  # whole words: \b says nothing more
_CLASSES = {
    "w": r"\p{L}\p{N}_",
    "d": r"\p{Nd}",
    "s": r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}",
}
_ESCAPES = "nrtfva"
_READ_OTHERWISE = frozenset({"^", "$", "*?", "+?", "??", "}?", "("})  # anchors, the shortest match, a part of the match
_SIGNS = re.compile(r"\\.|\[\^?\]?|\]|[*+?}]\?|\(\?.|[\^$]|.", re.DOTALL)


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
    if part.stop_words is not None and part.ngram_range[1] > 1:
        raise ConversionError(
            f"{name} has stop_words and an ngram_range, which convert wrongly together: use one of them"
        )
    if hasattr(part, "vocabulary_") and max(term.count(" ") for term in part.vocabulary_) + 1 < part.ngram_range[1]:
        raise ConversionError(
            f"{name} has ngram_range={part.ngram_range}, and knows no group of so many words: train it with a smaller"
        )
    for option in ("preprocessor", "tokenizer"):
        if getattr(part, option) is not None:
            raise ConversionError(
                f"{name} has a {option} of its own, which is Python code: use a token_pattern instead"
            )


def _words_of(part: CountVectorizer) -> str:
    """The pattern in the runtime's syntax, whose classes are of ASCII alone, and which knows no ends of words."""
    pattern = str(part.token_pattern)
    whole = _BOUNDED.fullmatch(pattern)
    written, inside = [], False
    for sign in _SIGNS.findall(whole[1] if whole else pattern.removeprefix("(?u)")):
        translated = _translate(sign, inside=inside)
        if translated is None:
            raise ConversionError(
                f"{type(part).__name__} has token_pattern={pattern!r}, whose {sign!r} the runtime reads otherwise:"
                " name the characters, as in '[a-zA-Z0-9_]{2,}'"
            )
        written.append(translated)
        inside = sign.startswith("[") or (inside and sign != "]")
    return "".join(written)


def _translate(sign: str, *, inside: bool) -> str | None:
    """A sign of a pattern as the runtime reads it, inside brackets or outside; None where it cannot."""
    kind = sign[1:] if sign.startswith("\\") else ""
    if kind in _CLASSES:
        return _CLASSES[kind] if inside else f"[{_CLASSES[kind]}]"
    if kind.lower() in _CLASSES:
        return None if inside else f"[^{_CLASSES[kind.lower()]}]"
    foreign = kind.isalnum() and kind not in _ESCAPES
    if foreign or (not inside and (sign in _READ_OTHERWISE or (sign.startswith("(?") and sign != "(?:"))):
        return None
    return sign


def advise_on_texts(model: Any) -> str:
    """What to change where words are lowered otherwise; empty where no text is."""
    if any(isinstance(part, CountVectorizer) and part.lowercase for part in list_estimators(model)):
        return (
            "some letters, as İ and Σ at the end of a word, are lowered otherwise than in Python: lower the texts"
            " before the model, and train it with lowercase=False"
        )
    return ""
