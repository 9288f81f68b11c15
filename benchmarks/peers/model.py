"""The model that all serve: gradient boosted trees, as ONNX and as MLflow saves it."""

import shutil
import tempfile
from pathlib import Path

import mlflow.onnx
import onnx
import onnxruntime

from benchmarks.gbm import HOME, Recipe, digest_of, draw_rows, grow
from benchmarks.peers.exam import Exam

RECIPE = Recipe(trees=100, depth=3)
QUESTIONS = 40
THREADS = 1


def set_exam() -> Exam:
    """Makes the model where it is not there yet, and asks ONNX Runtime."""
    content, _ = grow(RECIPE)
    rows = draw_rows()[0][:QUESTIONS]
    (scored,) = onnxruntime.InferenceSession(content).run(["probabilities"], {"input": rows})
    graph = HOME.absolute() / f"gbm-{digest_of(RECIPE)}.onnx"
    return Exam(graph, save_for_mlflow(content, graph.with_suffix(".mlflow")), rows, tuple(scored[:, 1].tolist()))


def save_for_mlflow(graph: bytes, folder: Path) -> Path:
    """Saves a model as MLflow does, with one thread for each call, where it is not there yet; returns its folder."""
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            mlflow.onnx.save_model(
                onnx.load_from_string(graph),
                f"{scratch}/model",
                pip_requirements=["onnxruntime"],
                onnx_execution_providers=["CPUExecutionProvider"],
                onnx_session_options={"intra_op_num_threads": THREADS},
                save_as_external_data=False,
            )
            shutil.move(f"{scratch}/model", folder)
    return folder
