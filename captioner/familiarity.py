"""How unlike the photos a model was trained on a photo is: whether the model is guessing.

A photo is summed up as the mean of its annotations, each normalised over its channels. Photos like those of the
training lie near the plane through their principal components; the distance from that plane is small for what the
model knows and large for what it does not. (Residuals off the principal subspace are what Wang et al. 2022, "ViM:
Out-of-Distribution with Virtual-logit Matching", section 3, find telling.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from captioner.encoder import FeatureGrid
from captioner.errors import CheckpointError


@dataclass(frozen=True, eq=False)
class Familiarity:
    """The plane of the familiar photos, and how far from it a photo may lie.

    Attributes:
        mean: (D,) of the training photos' summaries.
        basis: (K, D) orthonormal rows, their first K principal components.
        limit: squared distance from the plane above which a photo counts as unfamiliar.
    """

    mean: Tensor
    basis: Tensor
    limit: float

    def __post_init__(self) -> None:
        if self.mean.dim() != 1 or self.basis.dim() != 2 or self.basis.shape[1] != len(self.mean):
            raise CheckpointError(
                f"expected a mean (D,) and a basis (K, D), got {tuple(self.mean.shape)} and {tuple(self.basis.shape)}"
            )
        if not self.limit > 0:
            raise CheckpointError(f"expected a limit above 0, got {self.limit}")

    def strangeness(self, grid: FeatureGrid) -> Tensor:
        """(P,) squared distance of P photos from the plane, in limits: above 1 is unlike the training photos."""
        return self.distances(summarise(grid)) / self.limit

    def distances(self, summaries: Tensor) -> Tensor:
        """(N,) squared distances from the plane of summaries (N, D)."""
        return _distances(summaries, self.mean.to(summaries.device), self.basis.to(summaries.device))


def summarise(grid: FeatureGrid) -> Tensor:
    """(P, D): the mean over the cells of annotations normalised over their channels."""
    annotations = grid.annotations.float()
    return nn.functional.layer_norm(annotations, annotations.shape[-1:]).mean(dim=1)


def fit_familiarity(trained: Tensor, held_out: Tensor, components: int = 64, false_alarms: float = 0.02) -> Familiarity:
    """Fit the plane to training photos, and the limit to others of the same kind.

    Args:
        trained: (N, D) summaries of training photos.
        held_out: (M, D) summaries of validation photos, which count as familiar.
        components: K, at most N and D.
        false_alarms: share of the held-out photos that may lie beyond the limit, 0 to below 1.

    Raises:
        CheckpointError: there are too few photos for so many components, or an argument is out of range.
    """
    if not 1 <= components <= min(trained.shape) - 1:
        raise CheckpointError(f"expected 1 to {min(trained.shape) - 1} components for these photos, got {components}")
    if not 0 <= false_alarms < 1 or not len(held_out):
        raise CheckpointError(f"expected held-out photos and false alarms of 0 to below 1, got {false_alarms}")
    mean = trained.mean(dim=0)
    basis = torch.linalg.svd(trained - mean, full_matrices=False).Vh[:components]  # (K, D)
    distances = _distances(held_out, mean, basis)
    return Familiarity(mean, basis, float(torch.quantile(distances, 1 - false_alarms)))


def _distances(summaries: Tensor, mean: Tensor, basis: Tensor) -> Tensor:
    centred = summaries - mean  # (N, D)
    residuals = centred - centred @ basis.T @ basis  # (N, D)
    distances: Tensor = residuals.square().sum(dim=1)
    return distances
