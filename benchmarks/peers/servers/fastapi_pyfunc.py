"""FastAPI before the model as MLflow loads it: `uvicorn fastapi_pyfunc:app`, the model's folder in `MODEL`."""

import os

import mlflow.pyfunc
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = mlflow.pyfunc.load_model(os.environ["MODEL"])


class Question(BaseModel):
    """Rows of 30 columns."""

    rows: list[list[float]]


class Answer(BaseModel):
    """Probabilities of both classes, for each row."""

    probabilities: list[list[float]]


@app.post("/predict")
async def predict(question: Question) -> Answer:
    """Scores rows; in the event loop, for a thread for each call takes twice the CPU."""
    scored = model.predict(np.array(question.rows, np.float32))
    return Answer(probabilities=scored["probabilities"].tolist())
