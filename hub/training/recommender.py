"""The network of the product recommendation: it adds up parts, and so can say which of them counted most."""

import torch
from torch import Tensor, nn

from hub.training.purchase_features import BOUGHT, LOCAL_VECTOR, VECTOR

_CUSTOMER_WIDTHS = (VECTOR, BOUGHT, BOUGHT, 1)
_PRODUCT_WIDTHS = (VECTOR, LOCAL_VECTOR, 1, 1)
_KNOTS = 3
_FIRST_LOG_ODDS = -8.0
_USUAL_TRIPS = 1.5  # logarithm of 1 and the trips, about the mean


class Part(nn.Module):
    """What one signal adds to the log-odds, compared with a usual product: it rises with the signal, ever steeper.

    It counts more, or less, the more shopping trips of the customer are known.
    """

    usual: Tensor

    def __init__(self, lowest: float, highest: float, usual: float) -> None:
        """Begins with knots at equal distances, where the slope grows.

        Args:
            lowest: Signal of the first knot, below which the part is level.
            highest: Signal beyond the last knot.
            usual: Signal of a usual product, which adds nothing.
        """
        super().__init__()
        self.knots = nn.Parameter(torch.linspace(lowest, highest, _KNOTS + 1)[:-1])
        self.steeper = nn.Parameter(torch.full((_KNOTS,), -1.0))
        self.growth = nn.Parameter(torch.zeros(()))
        self.register_buffer("usual", torch.tensor(usual))

    def forward(self, signal: Tensor, trips: Tensor) -> Tensor:
        """Returns the part; signals and the logarithms of trips may be broadcast against each other."""
        return (self._rise(signal) - self._rise(self.usual)) * torch.exp(self.growth * (trips - _USUAL_TRIPS))

    def _rise(self, signal: Tensor) -> Tensor:
        steeper = nn.functional.softplus(self.steeper)
        level = steeper[0] * torch.relu(signal - self.knots[0])
        for index in range(1, _KNOTS):
            level = level + steeper[index] * torch.relu(signal - self.knots[index])
        return level


class Recommender(nn.Module):
    """Takes rows of `purchase_features.COLUMNS`; answers `score`, a probability, and `reason`, the number of a part.

    Parts are numbered from 1, in the order of `PARTS`; 0 says that none adds anything.
    """

    PARTS = ("bought_before", "similar", "popular", "popular_nearby")

    def __init__(self, usual_similarity: float, usual_popularity: float) -> None:
        """Makes a network that is to be trained.

        Args:
            usual_similarity: Mean over products that are not bought.
            usual_popularity: Mean over products.
        """
        super().__init__()
        self.bought_before = Part(0.0, 2.0, 0.0)
        self.similar = Part(-0.5, 1.0, usual_similarity)
        self.popular = Part(0.0, 10.0, usual_popularity)
        self.popular_nearby = Part(-1.0, 1.0, 0.0)
        self.activity = nn.Linear(1, 1)
        nn.init.zeros_(self.activity.weight)
        nn.init.constant_(self.activity.bias, _FIRST_LOG_ODDS)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Scores rows, `[rows, columns]`."""
        signals = self.signals(rows)
        parts = self.parts(*signals)
        reasons = torch.stack([torch.zeros_like(parts[0]), *parts], dim=1)
        return {"score": torch.sigmoid(self.log_odds(*signals)), "reason": torch.argmax(reasons, dim=1)}

    def signals(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Returns what the parts are made of, each `[rows]`, and the logarithms of trips last."""
        widths = (*_CUSTOMER_WIDTHS, LOCAL_VECTOR, *_PRODUCT_WIDTHS)
        taste, bought, weights, trips, local_taste, profile, local_profile, popularity, number = torch.split(
            rows, list(widths), dim=1
        )
        same = (bought == number) & (number > 0)
        return (
            (weights * same).sum(1),
            (taste * profile).sum(1),
            popularity[:, 0],
            (local_taste * local_profile).sum(1),
            torch.log1p(torch.relu(trips[:, 0])),
        )

    def log_odds(self, bought: Tensor, similarity: Tensor, popularity: Tensor, nearby: Tensor, trips: Tensor) -> Tensor:
        """Returns the sum of the parts and of what the customer's activity adds, of signals that may be broadcast."""
        base = trips * self.activity.weight[0, 0] + self.activity.bias[0]
        return base + sum(self.parts(bought, similarity, popularity, nearby, trips))

    def parts(
        self, bought: Tensor, similarity: Tensor, popularity: Tensor, nearby: Tensor, trips: Tensor
    ) -> list[Tensor]:
        """Returns what each signal adds to the log-odds, in the order of `PARTS`."""
        return [
            self.bought_before(bought, trips),
            self.similar(similarity, trips),
            self.popular(popularity, trips),
            self.popular_nearby(nearby, trips),
        ]
