"""Compiles every annotated method of a contract set for one generation of the catalog."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.contracts.batches import BatchMethod, StatusOf, bind_batch
from gateway.contracts.bindings import TypedMethod, bind, explain
from gateway.contracts.descriptors import AnnotatedMethod
from gateway.contracts.entities import entity_fields
from gateway.contracts.entity_batches import EntityBatchMethod
from gateway.contracts.entity_methods import EntityMethod, bind_entities
from gateway.contracts.row_methods import bind_rows
from gateway.errors import ContractError
from gateway.feature_views import FeatureView
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
    views: Mapping[str, FeatureView],
    decisions: Mapping[str, Decision],
    status_of: StatusOf,
) -> Compiled:
    """Compiles methods; one that does not fit its model is set aside with the reason and disturbs no other.

    Args:
        methods: The annotated methods.
        models: Live models by name.
        views: Declared feature views by name.
        decisions: Decision functions by full method name.
        status_of: Takes an error of one item of a batch to a serialised `google.rpc.Status`.
    """
    compiled = Compiled()
    known = {method.full_name: method for method in methods}
    compiler = Compiler(known, models, views, decisions, status_of)
    for method in known.values():
        try:
            compiled.methods[method.path] = compiler.compile(method)
        except Exception as error:  # noqa: BLE001 - no contract of one team may stop the others
            compiled.refused[method.path] = explain(method, error, model_of(method, known))
    return compiled


def model_of(method: AnnotatedMethod, known: Mapping[str, AnnotatedMethod]) -> str:
    """Returns the model of a method; a batch method has that of its items."""
    return item_of(method, known).serving.model


def item_of(method: AnnotatedMethod, known: Mapping[str, AnnotatedMethod]) -> AnnotatedMethod:
    """Returns the method that scores one item of a batch method, and any other itself."""
    return known.get(f"{method.service}.{method.serving.batch_of}", method)


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles single methods for one generation of the catalog.

    Attributes:
        known: Annotated methods by full name.
        models: As of `compile_methods`, like all that follow.
        views: Declared feature views.
        decisions: Decision functions.
        status_of: Serialises the status of an item.
    """

    known: Mapping[str, AnnotatedMethod]
    models: Mapping[str, Model]
    views: Mapping[str, FeatureView]
    decisions: Mapping[str, Decision]
    status_of: StatusOf

    def compile(self, method: AnnotatedMethod) -> TypedMethod | BatchMethod:
        """Compiles one method.

        Raises:
            ContractError: Its model is not live, or the two do not fit.
        """
        if method.streaming:
            raise ContractError(f"{method.full_name}: annotated methods are unary; remove `stream`")
        if not method.serving.batch_of:
            return self._compile_single(method)
        item = item_of(method, self.known)
        if item is method:
            raise ContractError(f"{method.full_name}: there is no method {method.serving.batch_of}")
        if item.serving.rows:
            raise ContractError(f"{method.full_name}: {item.name} has `rows`, and is a batch itself")
        single = self._compile_single(item)
        batch = bind_batch(method, single, item.response, self.models[single.model], self.status_of)
        return EntityBatchMethod.of(batch) if isinstance(single, EntityMethod) else batch

    def _compile_single(self, method: AnnotatedMethod) -> TypedMethod:
        """Compiles a method that scores one item."""
        name = method.serving.model
        if name not in self.models:
            raise ContractError(f"model '{name}' is not live; publish it with `gapura publish`", model=name)
        model, decision = self.models[name], self.decisions.get(method.full_name)
        if method.serving.rows:
            return bind_rows(method, model, decision, self.views)
        if entity_fields(method):
            return bind_entities(method, model, decision, self.views)
        return bind(method, model, decision)
