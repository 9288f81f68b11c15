"""Compiles every annotated method of a contract set for one generation of the catalog."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.contracts.batches import BatchMethod, StatusOf, bind_batch
from gateway.contracts.bindings import TypedMethod, bind, explain
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.errors import ContractError
from gateway.interfaces import Decision
from gateway.types import Model


@dataclass(frozen=True, slots=True)
class Compiled:
    """The typed methods of one generation.

    Attributes:
        methods: Methods that can be answered, by path.
        refused: Why the others cannot, by path.
    """

    methods: dict[str, TypedMethod | BatchMethod] = field(default_factory=dict)
    refused: dict[str, ContractError] = field(default_factory=dict)

    def misfits(self) -> dict[str, dict[int, ContractError]]:
        """Returns why versions do not fit a method that their champion answers, by model and number."""
        found = dict[str, dict[int, ContractError]]()
        for method in self.methods.values():
            for number, error in method.misfits.items():
                found.setdefault(method.model, {}).setdefault(number, error)
        return found


def compile_methods(
    methods: Iterable[AnnotatedMethod],
    models: Mapping[str, Model],
    decisions: Mapping[str, Decision],
    status_of: StatusOf,
) -> Compiled:
    """Compiles methods; one that does not fit its model is set aside with the reason and disturbs no other.

    Args:
        methods: The annotated methods.
        models: Live models by name.
        decisions: Decision functions by full method name.
        status_of: Takes an error of one item of a batch to a serialised `google.rpc.Status`.
    """
    compiled = Compiled()
    known = {method.full_name: method for method in methods}
    for method in known.values():
        try:
            compiled.methods[method.path] = compile_method(method, known, models, decisions, status_of)
        except Exception as error:  # noqa: BLE001 - no contract of one team may stop the others
            compiled.refused[method.path] = explain(method, error, model_of(method, known))
    return compiled


def model_of(method: AnnotatedMethod, known: Mapping[str, AnnotatedMethod]) -> str:
    """Returns the model of a method; a batch method has that of its items."""
    item = known.get(f"{method.service}.{method.serving.batch_of}", method)
    return item.serving.model


def compile_method(
    method: AnnotatedMethod,
    known: Mapping[str, AnnotatedMethod],
    models: Mapping[str, Model],
    decisions: Mapping[str, Decision],
    status_of: StatusOf,
) -> TypedMethod | BatchMethod:
    """Compiles one method.

    Raises:
        ContractError: Its model is not live, or the two do not fit.
    """
    if method.streaming:
        raise ContractError(f"{method.full_name}: annotated methods are unary; remove `stream`")
    if not method.serving.batch_of:
        return compile_single(method, models, decisions)
    item = known.get(f"{method.service}.{method.serving.batch_of}")
    if item is None:
        raise ContractError(f"{method.full_name}: there is no method {method.serving.batch_of}")
    single = compile_single(item, models, decisions)
    return bind_batch(method, single, item.response, models[single.model], status_of)


def compile_single(
    method: AnnotatedMethod, models: Mapping[str, Model], decisions: Mapping[str, Decision]
) -> TypedMethod:
    """Compiles a method that scores one item.

    Raises:
        ContractError: Its model is not live, or the two do not fit.
    """
    name = method.serving.model
    if name not in models:
        raise ContractError(f"model '{name}' is not live; publish it with `gapura publish`", model=name)
    return bind(method, models[name], decisions.get(method.full_name))
