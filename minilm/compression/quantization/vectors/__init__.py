"""Where a code stands for several numbers at once.

    clusters.py   vectors that stand for those nearest to them: k_means
    product.py    rows cut into pieces, a codebook for each place: product_quantize
"""

from minilm.compression.quantization.vectors.clusters import k_means
from minilm.compression.quantization.vectors.product import product_quantize

__all__ = ["k_means", "product_quantize"]
