"""Losses of pairs, in torch."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch

from bead_sklearn.embedding._pairs import PairFeatures

_STEEPNESS = 100.0


def soft_indicator(x: torch.Tensor, threshold: float, steepness: float) -> torch.Tensor:
    """Return sigmoid(steepness * (threshold - abs(x))): about 1 where x is small."""
    return torch.sigmoid(steepness * (threshold - x.abs()))


def differentiable_mean_small_values(
    x: torch.Tensor, threshold: float = 0.01, steepness: float = _STEEPNESS
) -> torch.Tensor:
    """Return the mean of abs(x), weighted by :func:`soft_indicator`."""
    weights = soft_indicator(x, threshold, steepness)
    return (x.abs() * weights).sum() / (weights.sum() + 1e-10)


def differentiable_extreme(
    x: torch.Tensor, beta: float = 1e5, mode: str = "max"
) -> torch.Tensor:
    """Return a smooth maximum or minimum, sum(softmax(+-beta x) x).

    Parameters
    ----------
    x : Tensor of shape (n,)
        Values.
    beta : float, default=1e5
        Sharpness.
    mode : {"max", "min"}, default="max"
        Which extreme.
    """
    if mode not in ("max", "min"):
        raise ValueError(f"mode must be 'max' or 'min'. Got {mode!r}.")
    sign = 1.0 if mode == "max" else -1.0
    return (torch.softmax(sign * beta * x, dim=-1) * x).sum(dim=-1)


def average_pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean state of the positions of a mask; 0 where it is empty."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


class ProbMarginRankingLoss(torch.nn.Module):
    r"""Mean of min(confidences) * sigmoid(margin - target * (positive - negative)).

    The gradient vanishes for pairs far from the margin on either side.

    Parameters
    ----------
    base_margin : float, default=1.0
        Margin, above 0.
    do_fine_small_difference : bool, default=False
        Whether to add the mean of small differences, weighted by
        ``soft_indicator(d, margin, int(100 / margin))``.

    Raises
    ------
    ValueError
        If the margin is not a positive finite number.
    """

    def __init__(
        self, base_margin: float = 1.0, do_fine_small_difference: bool = False
    ) -> None:
        super().__init__()
        self.set_margin(base_margin)
        self.do_fine_small_difference = do_fine_small_difference

    def set_margin(self, margin: Any) -> None:
        """Change the margin, checked as in the constructor."""
        is_number = isinstance(margin, Real) and not isinstance(margin, bool)
        if not (is_number and 0 < margin < float("inf")):
            raise ValueError(
                f"base_margin must be a positive numeric value. Got {margin!r}."
            )
        self.margin = float(margin)

    def forward(self, pairs: PairFeatures) -> torch.Tensor:
        """Return the loss; 0, without a gradient, where there are no pairs."""
        positive, negative = pairs.positive_ranks, pairs.negative_ranks
        if not len(positive):
            return (positive.sum() + negative.sum()) * 0.0
        difference = positive - negative
        adjusted = self.margin - pairs.target * difference
        weights = torch.minimum(pairs.positive_confidences, pairs.negative_confidences)
        loss = (weights * self.transform(adjusted)).mean()
        if self.do_fine_small_difference:
            loss = loss + differentiable_mean_small_values(
                difference, self.margin, int(_STEEPNESS / self.margin)
            )
        return loss

    def transform(self, adjusted: torch.Tensor) -> torch.Tensor:
        """Return what the margin is missed by, as a number from 0 to 1."""
        return torch.sigmoid(adjusted)


class CosineProbMarginRankingLoss(ProbMarginRankingLoss):
    """The same with sigmoid(400 x - 6), steep enough for differences of cosines.

    It is still flat for clearly wrong pairs: :class:`LogisticRankingLoss` is not.
    """

    def transform(self, adjusted: torch.Tensor) -> torch.Tensor:
        """Return sigmoid(400 x - 6), computed so that no gradient is NaN."""
        return torch.sigmoid(400.0 * adjusted - 6.0)


class LogisticRankingLoss(ProbMarginRankingLoss):
    """The same with softplus(20 x) / 20: convex, and steepest for wrong pairs."""

    def transform(self, adjusted: torch.Tensor) -> torch.Tensor:
        """Return softplus(20 x) / 20."""
        return torch.nn.functional.softplus(20.0 * adjusted) / 20.0


class MarginRankingLoss(ProbMarginRankingLoss):
    """The same with max(0, x), the hinge."""

    def transform(self, adjusted: torch.Tensor) -> torch.Tensor:
        """Return max(0, x)."""
        return torch.relu(adjusted)


PAIR_LOSSES: dict[str, Any] = {
    "prob_margin": ProbMarginRankingLoss,
    "cosine_prob_margin": CosineProbMarginRankingLoss,
    "pairwise_logistic": LogisticRankingLoss,
    "margin_ranking": MarginRankingLoss,
}
