"""`MLHubClient`: what a team's own programs ask of the hub."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import grpc
from erpml.hub.v1.feature_store_service_pb2_grpc import FeatureStoreServiceStub

from gapura_client.channel import connect
from gapura_client.hub_client.errors import InvalidRecord
from gapura_client.hub_client.records import OUTCOME, PREDICTION, write_record
from gapura_client.hub_client.spool import Spool
from gapura_client.hub_client.stored_features import FeatureRow, read_features

if TYPE_CHECKING:
    from gapura_client.hub_client.model import RemoteModel

DEFAULT_TARGET = "127.0.0.1:9003"
TARGET, FEATURE_STORE_TARGET, API_KEY, SPOOL = (
    f"GAPURA_{name}" for name in ("TARGET", "FEATURE_STORE_TARGET", "API_KEY", "SPOOL")
)


class MLHubClient:
    """Models, stored features and records of one team. It can be shared between threads.

    Nothing is connected before the first call. Close it, or use it as a context manager.

    Args:
        team: Team whose models are asked for, such as `team3`.
        target: Address of the gateway; the variable `GAPURA_TARGET` if not given, or 127.0.0.1:9003.
        feature_store_target: Address of the feature store service; the variable `GAPURA_FEATURE_STORE_TARGET` if not
            given, or the gateway, which has the service too.
        api_key: Key of the tenant; the variable `GAPURA_API_KEY` if not given.
        timeout_seconds: How long a call may take unless it says otherwise.
        credentials: How to encrypt, as of `connect`.
        allow_plaintext: Send the key unencrypted to other machines too, as of `connect`.
        spool: Folder in which predictions and outcomes are written down; the variable `GAPURA_SPOOL` if not given.

    Raises:
        PlaintextKeyError: The key would travel unencrypted to another machine.
        ValueError: The team is no name, the key cannot be a header, or the time is not finite and positive.

    Example:
        >>> client = MLHubClient("team3")
        >>> model = client.get_model("fraud_detection")
        >>> fraud_score = model.predict_proba(features)[0][1]
    """

    def __init__(  # noqa: PLR0913 - settings are keywords, each with a default
        self,
        team: str,
        *,
        target: str | None = None,
        feature_store_target: str | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 5.0,
        credentials: grpc.ChannelCredentials | None = None,
        allow_plaintext: bool = False,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        if not team or not team.isascii() or not team.isalnum():
            raise ValueError(f"team is {team!r}: pass the name before the first _ of its models, such as 'team3'")
        gateway = target or os.environ.get(TARGET) or DEFAULT_TARGET
        store = feature_store_target or os.environ.get(FEATURE_STORE_TARGET) or gateway
        key = api_key or os.environ.get(API_KEY) or None
        folder = spool or os.environ.get(SPOOL)

        def open_channel(address: str) -> grpc.Channel:
            return connect(
                address,
                api_key=key,
                timeout_seconds=timeout_seconds,
                credentials=credentials,
                allow_plaintext=allow_plaintext,
            )

        self.team = team
        self._timeout_seconds = timeout_seconds
        self._spool = Spool(Path(folder), team) if folder else None
        self._channel = open_channel(gateway)
        self._store_channel = self._channel if store == gateway else open_channel(store)
        self._store = FeatureStoreServiceStub(self._store_channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; calls under way are cancelled. What was written down stays."""
        self._channel.close()
        self._store_channel.close()
        if self._spool is not None:
            self._spool.close()

    def get_model(self, name: str, *, version: int | str = "", timeout: float | None = None) -> "RemoteModel":
        """Returns a model of the team as if it were here.

        Args:
            name: Its name, such as `fraud_detection`; `team4/dynamic_pricing` for one of another team.
            version: The version to ask, which stays the same; whichever the gateway chooses if not given.
            timeout: Seconds that it may take to ask the gateway what the model takes.

        Raises:
            ModuleNotFoundError: numpy is not installed.
            GapuraError: There is no such model, or the tenant may not call it.
        """
        try:
            from gapura_client.hub_client.model import RemoteModel  # noqa: PLC0415 - the rest needs no numpy
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{error}; models need it: pip install 'gapura-client[hub]'") from error
        registered = name.replace("/", "_", 1) if "/" in name else f"{self.team}_{name}"
        return RemoteModel(
            self._channel, registered, str(version), self._timeout_seconds if timeout is None else timeout
        )

    def get_features(
        self, view: str, entity_ids: Sequence[str], *, columns: Sequence[str] = (), timeout: float | None = None
    ) -> list[FeatureRow | None]:
        """Returns stored features, as a typed call that looked them up now would get them.

        Args:
            view: Name of the feature view.
            entity_ids: Whose; any number, 512 of them a call.
            columns: Which; all if none are named.
            timeout: Seconds that each call may take.

        Returns:
            A dict of values for each entity, in order. Its `status` is `FRESH`, `STALE`, or `DEFAULT`: what the view
            has for entities that are not stored. None where the view refuses to stand in for what is missing or old.

        Raises:
            GapuraError: There is no such view, or the tenant may not read it.
        """
        if isinstance(entity_ids, str):
            raise TypeError(f"entity_ids is the text {entity_ids!r}: pass a list, such as [{entity_ids!r}]")
        limit = self._timeout_seconds if timeout is None else timeout
        return read_features(self._store, view, list(entity_ids), list(columns), limit)

    def log_prediction(  # noqa: PLR0913 - what a prediction is; all but three by name
        self,
        model: str,
        features: Any,
        prediction: Any,
        *,
        prediction_id: str | None = None,
        version: int | str = "",
        at: datetime | None = None,
    ) -> str:
        """Writes a prediction down, for the decision ledger; returns its id. When it returns, it is on the disk.

        Predictions that a typed method has answered need not be written down: the gateway knows them.

        Args:
            model: The team's name of the model, such as `fraud_detection`.
            features: What it was asked, as dicts, lists, numbers and texts; arrays and times are taken too.
            prediction: What it said, as above.
            prediction_id: Identifies the prediction; a new id if not given.
            version: Version of the model, if it is known.
            at: When it was, with a time zone; now if not given.

        Raises:
            InvalidRecord: A value cannot be written as JSON, or an id is none.
            SpoolError: It could not be written.
        """
        if not model:
            raise InvalidRecord("model is empty: pass its name, such as 'fraud_detection'")
        chosen = uuid4().hex if prediction_id is None else prediction_id
        told = {"model": f"{self.team}_{model}", "version": str(version), "features": features}
        self._append(write_record(PREDICTION, self.team, chosen, at, **told, prediction=prediction))
        return chosen

    def record_outcome(self, prediction_id: str, outcome: Any, *, at: datetime | None = None) -> None:
        """Writes down what came of a prediction, for the decision ledger. When it returns, it is on the disk.

        Args:
            prediction_id: As of the answer of a typed method, or as `log_prediction` returned it.
            outcome: What came of it, such as `True` for a fraud, or an amount.
            at: When it was known, with a time zone; now if not given.

        Raises:
            InvalidRecord: The outcome cannot be written as JSON, or the id is none.
            SpoolError: It could not be written.
        """
        self._append(write_record(OUTCOME, self.team, prediction_id, at, outcome=outcome))

    def _append(self, line: bytes) -> None:
        if self._spool is None:
            raise InvalidRecord(f"there is no folder for records: pass spool=, or set {SPOOL}")
        self._spool.append(line)
