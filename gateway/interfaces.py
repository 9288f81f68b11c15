"""The stages of the request path, as the pipeline sees them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self

from gateway.calls import Call
from gateway.errors import GatewayError
from gateway.feature_views import Features, FeatureView, FreshRow, Lookup
from gateway.traces import UNTRACED, BatchTrace, CallTrace
from gateway.types import Arm, Model, ModelVersion, Policy, Priority, Response, Statistics, Tensors


class Tenant(Protocol):
    """Who calls. As a context manager, one of its calls that is under way: it ends with the context."""

    def __enter__(self) -> Self:
        """Goes on with a call that was admitted."""

    def __exit__(self, kind: object, error: object, traceback: object, /) -> None:
        """Ends it."""

    @property
    def name(self) -> str:
        """Name of the tenant."""

    @property
    def operator(self) -> bool:
        """Says whether the tenant may load and unload models and change settings of the servers."""

    @property
    def priority(self) -> Priority:
        """Best class that its calls can get."""

    @property
    def may_pin(self) -> bool:
        """Says whether the tenant may pin a version of a model."""

    def may_call(self, model: str) -> bool:
        """Says whether the tenant's policy names the model."""

    def may_use(self, path: str) -> bool:
        """Says whether the tenant's policy names the method at a path, or its service."""

    def may_look_up(self, view: str) -> bool:
        """Says whether the tenant's calls may look features of a view up for their models."""

    def may_read(self, view: str, team: str) -> bool:
        """Says whether the tenant may read features of a view of a team itself."""

    def may_push(self, view: str) -> bool:
        """Says whether the tenant's policy names the feature view as one that it may push to."""

    def check(self, call: Call) -> None:
        """Lets a call of the tenant pass to its method.

        Raises:
            PermissionDenied: The tenant may not call the method, or not in this way.
            TooLarge: The message is larger than the tenant may send.
        """

    def take_rows(self, rows: int) -> None:
        """Counts the rows of a call.

        Raises:
            InvalidRequest: They are more than the tenant may send at once.
            Overloaded: They are more than it may send over time.
        """

    def charge(self, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        """Writes down that a call was answered, with so many stored rows of features."""


class Admission(Protocol):
    """Knows the callers."""

    def identify(self, call: Call) -> Tenant:
        """Tells who calls.

        Raises:
            Unauthenticated: The call's credentials are missing, not valid, or those of several tenants.
        """

    def admit(self, call: Call, *, again: bool = False) -> Tenant:
        """Lets a call in, and counts it: it is under way until the tenant's context ends.

        Args:
            call: The call.
            again: Whether it was admitted before, and only goes on in another way.

        Raises:
            Unauthenticated: As of `identify`.
            PermissionDenied: The tenant may not call the method, or not in this way.
            TooLarge: The message is larger than the tenant may send.
            Overloaded: The tenant makes more calls than it may.
        """

    def authorise(self, tenant: Tenant, model: str, version: str = "") -> None:
        """Lets the call pass to the model.

        Args:
            tenant: Who calls.
            model: Registered name.
            version: The version that the caller pins, or an empty string.

        Raises:
            PermissionDenied: The tenant may not call the model, whether or not there is one, or not pin a version.
        """


# The arms that answer a batch, each with the positions of its items.
Parts = list[tuple[Arm, Sequence[int]]]


class Router(Protocol):
    """Chooses who answers."""

    @property
    def models(self) -> Mapping[str, Model]:
        """What is live, by registered name."""

    def choose(self, method: "Method", request: Any, call: Call, tenant: Tenant) -> Arm:
        """Names the arm that answers a call.

        Args:
            method: What was called.
            request: The call's request.
            call: The call, which may name a unit, or pin a version or an arm.
            tenant: Who calls.

        Raises:
            NotFound: No such model, version or arm is live.
            InvalidRequest: The version is not a number.
        """

    def divide(self, method: "BatchedMethod", request: Any, call: Call, tenant: Tenant) -> Parts:
        """Names the arms that answer the items of a batch, each with the positions of its items; as above."""

    def pinned(self, model: str, version: str, pin: str = "") -> Arm:
        """Names the arm that answers a caller who pins one, the champion where it pins none.

        Args:
            model: Registered name.
            version: Version that the request names, or an empty string.
            pin: Version or arm that the call's metadata name, or an empty string.

        Raises:
            NotFound: No such model, version or arm is live.
            InvalidRequest: The version is not a number.
        """


class Trials(Protocol):
    """Counts how calls of experiments go, arm by arm."""

    def answered(self, arm: Arm, seconds: float, outputs: Tensors) -> None:
        """Counts a call that an arm of an experiment answered, and its scores.

        Args:
            arm: Who answered.
            seconds: How long it took, from the choice of the arm to the answer.
            outputs: What the model said: all outputs, or those that its terms name.
        """

    def failed(self, arm: Arm, seconds: float, error: BaseException) -> None:
        """Counts a call that ended with an error: the caller's own, or a failure."""

    def substituted(self, arm: Arm) -> None:
        """Counts a call that the champion answers since no node is ready for the arm that was chosen."""


class Mirror(Protocol):
    """Asks shadows what the champion was asked, when nobody waits for it."""

    def offer(self, method: "Method", request: Any, arm: Arm, asked: "Answered", features: Sequence[Features]) -> None:
        """Takes a call that the champion has answered, or lets it be; it returns at once, and raises nothing.

        Args:
            method: What was called.
            request: Its request.
            arm: The champion, with its shadows.
            asked: What it was asked and what it said.
            features: Stored features that were used.
        """


class Answered(NamedTuple):
    """A call that was answered.

    Attributes:
        inputs: What the model was asked.
        left_out: Items of a batch that were left out, by position.
        outputs: What it said.
        answer: The serialised response.
        size: Bytes of the message that asked; the request may hold on to them.
    """

    inputs: Tensors
    left_out: Mapping[int, GatewayError]
    outputs: Tensors
    answer: bytes
    size: int = 0


class FeatureReader(Protocol):
    """Reads stored features."""

    def peek(self, wanted: Sequence[Lookup | None]) -> list[Features] | None:
        """Returns fresh features of all that is wanted, if they are at hand; None otherwise.

        Where nothing is wanted, there are no features: `NO_FEATURES`.
        """

    async def fetch(self, wanted: Sequence[Lookup | None]) -> list[Features]:
        """Returns the features of all that is wanted, in its order: fresh ones, or what each view allows instead.

        It never takes longer than the feature budget, and never fails: what a view refuses is REFUSED.

        Args:
            wanted: The entities; all that are not at hand are read together.
        """


class FeatureWriter(Protocol):
    """Writes fresh features."""

    async def push(self, view: FeatureView, rows: Sequence[FreshRow]) -> int:
        """Writes rows, each unless a later one is stored; returns how many were written.

        When it returns, the rows are kept, and are what every gateway reads within 50 ms.

        Raises:
            InvalidFields: A value does not fit its column.
            Unavailable: The store does not answer; pushing again does no harm.
        """


class FeatureStore(FeatureReader, FeatureWriter, Protocol):
    """Stored features, read and written."""

    def describe(self) -> Mapping[str, Any] | None:
        """Says what it has done since its start, ready for JSON; None if there is no store."""

    def follow(self, views: Collection[FeatureView]) -> None:
        """Takes the views that calls may look up from now on."""

    async def run(self) -> None:
        """Stays in touch with the store, for ever."""

    async def close(self) -> None:
        """Closes the connections; nothing is called afterwards."""


class Models(Protocol):
    """Versions of models that are loaded, answer, and are unloaded."""

    async def load(self, version: ModelVersion) -> None:
        """Makes a version ready to answer.

        Raises:
            CatalogError: The repository does not hold what the catalog says.
        """

    async def unload(self, version: ModelVersion) -> None:
        """Releases a version; calls under way finish."""

    def config(self, version: ModelVersion) -> bytes:
        """Returns the serialised `inference.ModelConfig` of a loaded version."""

    def ready(self, version: ModelVersion) -> bool:
        """Says whether a loaded version can answer now."""

    async def operate(self, operation: str, request: bytes) -> bytes:
        """Does what an operator asks of the servers.

        Args:
            operation: `RepositoryModelLoad`, `RepositoryModelUnload`, `TraceSetting` or `LogSettings` of
                `inference.GRPCInferenceService`.
            request: Serialised request of that method.

        Returns:
            The serialised response.

        Raises:
            GatewayError: A server refused; the message is the server's own.
        """

    def places(self, version: ModelVersion) -> int:
        """Returns how many batches of a loaded version can be computed side by side now; at least 1."""

    def streams(self, version: ModelVersion) -> bool:
        """Says whether a loaded version is decoupled: `stream` answers for it, and not `infer`."""

    def stream(self, version: ModelVersion, inputs: Tensors, deadline: float | None) -> AsyncGenerator[Response, None]:
        """Yields the responses of a decoupled version to one request, as they come.

        Raises:
            GatewayError: As of `Backend.infer`; no more come.
        """

    def describe_nodes(self) -> Sequence[Mapping[str, Any]]:
        """Says how every version is on every node now, ready for JSON."""

    async def close(self) -> None:
        """Releases everything; nothing is called afterwards."""


class Backend(Models, Protocol):
    """Computes outputs from inputs."""

    async def infer(
        self, version: ModelVersion, inputs: Tensors, deadline: float | None, *, trace: BatchTrace | None = None
    ) -> Tensors:
        """Computes the outputs of a loaded version.

        Args:
            version: Who answers.
            inputs: Valid against the version's signature.
            deadline: When the answer is no longer wanted, in seconds of the event loop's clock.
            trace: Where attempts are noted.

        Raises:
            NotFound: An operator has unloaded the model.
            Unavailable: Nothing that could answer is reachable.
            Overloaded: Too much waits already.
            DeadlineExceeded: The deadline passed first.
            ModelFailed: The model failed on these inputs.
        """


class Batcher(Models, Protocol):
    """Merges concurrent calls for a backend, and counts them."""

    async def infer(  # noqa: PLR0913 - what a call is
        self,
        version: ModelVersion,
        inputs: Tensors,
        deadline: float | None,
        tenant: str = "",
        priority: Priority = Priority.NORMAL,
        *,
        trace: CallTrace = UNTRACED,
    ) -> Tensors:
        """Computes the outputs of a loaded version, together with those of other calls.

        Args:
            version: Who answers.
            inputs: Valid against the version's signature.
            deadline: When the answer is no longer wanted, in seconds of the event loop's clock.
            tenant: Who asks; tenants that wait share fairly.
            priority: Class of the call.
            trace: Where the call's way is noted.

        Raises:
            Overloaded: Too much waits already, or the call could not be answered by its deadline.
            GatewayError: Whatever else the backend raises.
        """

    def statistics(self, version: ModelVersion, tenant: str | None = None) -> Statistics:
        """Returns what a loaded version has done for a tenant, or for all of them."""


NOTHING_LEFT_OUT: Mapping[int, GatewayError] = MappingProxyType({})


class Method(Protocol):
    """Translates between one kind of message and tensors.

    Request and response are whatever message classes the method works with.
    """

    def parse(self, message: bytes) -> Any:
        """Reads the request.

        Raises:
            InvalidRequest: The bytes are not such a message.
        """

    def target(self, request: Any) -> tuple[str, str]:
        """Names the model, and the version that the caller pins or an empty string."""

    def unit(self, item: Any) -> str:
        """Returns the unit that the contract names, of a request or an item of a batch; empty if there is none."""

    def value(self, item: Any, path: str) -> str | None:
        """Returns a field of a request, or an item of a batch, as a text; None if it has no such field."""

    def lookups(self, request: Any, arm: Arm) -> Sequence[Lookup | None]:
        """Names the entities whose stored features the request needs; empty if it needs none.

        Raises:
            InvalidRequest: The request as a whole cannot be answered.
        """

    def rows(
        self, request: Any, arm: Arm, features: Sequence[Features] = ()
    ) -> tuple[Tensors, Mapping[int, GatewayError]]:
        """Turns a request into inputs; its `lookups` were asked for before.

        Args:
            request: The request.
            arm: Who answers.
            features: The stored features of `lookups`, in its order.

        Returns:
            The inputs, and the items of a batch that were left out, by position.

        Raises:
            InvalidRequest: The request as a whole cannot be answered.
            GatewayError: Its features are refused.
        """

    def answer(
        self,
        request: Any,
        left_out: Mapping[int, GatewayError],
        outputs: Tensors,
        arm: Arm,
        features: Sequence[Features] = (),
    ) -> bytes:
        """Turns outputs into a serialised response.

        Raises:
            InvalidRequest: The outputs do not make an answer to this request.
        """


class BatchedMethod(Method, Protocol):
    """A method whose requests are batches of requests, of which each has a unit of its own."""

    def items(self, request: Any) -> Sequence[Any]:
        """Returns the items of a request."""

    def check_size(self, items: int, arm: Arm) -> None:
        """Checks the number of items.

        Raises:
            InvalidRequest: There are none, or too many.
        """

    def part(self, request: Any, positions: Sequence[int]) -> Any:
        """Returns a request that has some of the items, in this order."""

    def join(self, request: Any, parts: Sequence[tuple[Sequence[int], "bytes | GatewayError"]]) -> bytes:
        """Makes one serialised response of those to the parts of a request.

        Args:
            request: The whole request.
            parts: Positions of the items of each part, with its serialised response or what failed it.
        """


class StreamMethod(Method, Protocol):
    """A method by which a model may also answer with several responses."""

    def respond(self, request: Any, response: Response, arm: Arm) -> bytes:
        """Turns one response into a serialised message of the stream; empty if the caller is not to be told."""


# Request and response (elements and bands filled in) -> the values of the other fields, by name; raises InvalidRequest.
Decide = Callable[[Any, Any], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What annotations cannot say of a method.

    It is compiled with its policy when the catalog is read, so that a policy that does not fit is refused there.

    Attributes:
        compile: Takes a policy to the function; raises KeyError or ValueError when the policy does not fit.
        fills: Names of the response fields that every call of the function returns.
        rows: Of a method whose calls have many rows: takes a policy to what makes the rows of a request that names
            none, once its stored values are known; raises as `compile` does. None where requests have to name them.
    """

    compile: Callable[[Policy], Decide]
    fills: tuple[str, ...]
    rows: Callable[[Policy], Callable[[Any], Sequence[Any]]] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One unary method at the edge.

    Attributes:
        path: `/package.Service/Method`.
        answer: Takes a call to its serialised response, or raises a `GatewayError`. Until it first waits it may run
            outside a task, where `asyncio.timeout` does not work.
        is_taskless: Whether it may do so to its end: all that it waits for is futures. A task costs more than to read
            a small message.
    """

    path: str
    answer: Callable[[Call], Coroutine[Any, Any, bytes]]
    is_taskless: bool = False


@dataclass(frozen=True, slots=True)
class StreamEndpoint:
    """One method at the edge with a stream of requests and a stream of responses.

    Attributes:
        path: `/package.Service/Method`.
        answer: Takes the call, whose `message` is empty, and its messages to serialised responses, or raises a
            `GatewayError`.
    """

    path: str
    answer: Callable[[Call, AsyncIterator[bytes]], AsyncGenerator[bytes, None]]


class Telemetry(Protocol):
    """Knows what becomes of calls."""

    def begin(self, path: str, received: float, parent: str | None = None, state: str | None = None) -> CallTrace:
        """Begins to note a call.

        Args:
            path: `/package.Service/Method`.
            received: When it came, by `perf_counter`.
            parent: Its `traceparent`, as it came.
            state: Its `tracestate`, as it came.
        """

    def end(self, trace: CallTrace, code: int = 0, error: BaseException | None = None) -> None:
        """Notes that a call has ended.

        Args:
            trace: What was noted of it.
            code: Number of the gRPC code that it ended with.
            error: What was wrong.
        """


class Listener(Protocol):
    """Receives calls from the network."""

    async def start(self) -> str:
        """Starts to listen; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be bound.
        """

    async def stop(self, grace_seconds: float) -> None:
        """Answers calls until they cease, at most `grace_seconds`, then refuses new ones."""
