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
    """Scores rows in the event loop, which does nothing else meanwhile."""
    return score(question)


@app.post("/predict-in-thread")
def predict_in_thread(question: Question) -> Answer:
    """Scores rows in a thread of the pool, as FastAPI advises for what blocks."""
    return score(question)


def score(question: Question) -> Answer:
    """Scores rows."""
    scored = model.predict(np.array(question.rows, np.float32))
    return Answer(probabilities=scored["probabilities"].tolist())
