"""FastAPI before ONNX Runtime: `uvicorn fastapi_onnxruntime:app`, the model's file in `MODEL`."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request, Response

COLUMNS = 30

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Scores rows, float32 [rows, 30]; answers with float32 [rows, 2]."""
    rows = np.frombuffer(await request.body(), np.float32).reshape(-1, COLUMNS)
    (probabilities,) = session.run(["probabilities"], {"input": rows})
    return Response(probabilities.tobytes(), media_type="application/octet-stream")
