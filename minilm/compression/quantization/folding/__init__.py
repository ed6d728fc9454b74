"""Scales and rotations that cost nothing at inference: params -> params with equal outputs.

    norms.py          scales of x, moved into the norm that makes x
    equalization.py   ranges shared out between two weights on a linear path
    rotation.py       the residual stream of a model with RMSNorm, rotated
"""

from minilm.compression.quantization.folding.equalization import equalize
from minilm.compression.quantization.folding.norms import fold_into_norms, scale_norms
from minilm.compression.quantization.folding.rotation import rotate

__all__ = ["equalize", "fold_into_norms", "rotate", "scale_norms"]
