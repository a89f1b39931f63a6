"""A decoder whose weights are shuffled: how maps look when nothing learnt is left in them.

If they look as convincing as before, they show the photo or the architecture, not what was learnt (Adebayo et al. 2018,
"Sanity Checks for Saliency Maps").
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.decoder import AttentionDecoder
from captioner.encoder import FeatureGrid
from captioner.probes.replaying import word_ids

if TYPE_CHECKING:
    from captioner.captioner import Captioner


def shuffled_decoder(decoder: AttentionDecoder, seed: int = 0) -> AttentionDecoder:
    """A copy whose weight matrices and biases are dealt out anew, each within itself; word vectors stay."""
    random = torch.Generator().manual_seed(seed)
    shuffled = copy.deepcopy(decoder)
    with torch.no_grad():
        for name, weight in shuffled.named_parameters():
            if not name.startswith(("embedding", "output.")):
                order = torch.randperm(weight.numel(), generator=random).to(weight.device)
                weight.copy_(weight.flatten()[order].view_as(weight))
    return shuffled


def shuffled_maps(captioner: Captioner, grid: FeatureGrid, words: Sequence[str], seed: int = 0) -> NDArray[np.float32]:
    """(T, H, W): the maps of the same words with the decoder's weights shuffled.

    Args:
        grid: of one photo.

    Raises:
        SearchError: see `word_ids`.
    """
    ids = word_ids(captioner, grid, words)
    with torch.inference_mode():
        decoder = shuffled_decoder(captioner.decoder, seed)
        tokens = torch.tensor([[ids]], device=grid.annotations.device)
        taught = decoder.teach(grid, tokens, torch.tensor([[len(ids) - 1]], device=tokens.device))
    maps: NDArray[np.float32] = taught.attention.float().cpu().numpy().reshape(-1, grid.height, grid.width)
    return maps
