"""Scores applicants that training never saw."""

import click
import pandas as pd
from rich.console import Console

from hub.quickstart.applicants import pick_mixed, read_requests
from hub.quickstart.calls.place import Place
from hub.quickstart.scoring import measure_auc, score_one_by_one
from hub.quickstart.steps import Steps
from hub.quickstart.summary import explain_calls, tabulate

_SHOWN_OF_EACH = 6


def show(place: Place, steps: Steps) -> None:
    """Scores them all, by their features and by their ids alone, and shows a few decisions beside the truth."""
    with steps.step("score applicants that training never saw") as say:
        applicants = read_requests(pd.read_parquet(place.var / "data/credit_scoring/held_out.parquet"))
        say(f"AUC over {len(applicants):,} held-out applicants: {measure_auc(place.channel, applicants):.4f}")
        if place.stored:
            by_id = [applicant.by_id() for applicant in applicants]
            say(f"the same by customer id alone, features from the store: {measure_auc(place.channel, by_id):.4f}")
    shown = pick_mixed(applicants, _SHOWN_OF_EACH)
    Console().print(tabulate(shown, score_one_by_one(place.channel, shown)))
    click.echo(f"{explain_calls(shown[0].request, place.target, place.var / 'api-key')}\n")
