"""The least noise that weights of R bits can have, put into the encoder.

    ŵ = (1 − D)·w + √(D(1 − D))·σ·ε,   D = 2^(−2R),   ε ~ N(0, 1)

Shannon: a code of R bits a number leaves Gaussian numbers of variance σ² a squared error of at
least D·σ², however many of them are coded together. Could it reach that, w and ŵ would be related
as above, by the *test channel*: the mean of (w − ŵ)² is D·σ², and the error is independent of ŵ.
(Cover and Thomas 2006, section 10.3.2.)

So this draws from what an ideal code of each channel would give: a mark for methods that only ask
how near ŵ is to w and give all weights the same bits, and no limit of drift. A method that knows
what multiplies w, or which weights matter, may do better, since it moves errors to where they do
less: GPTQ, mixed precision. No code reaches the limit. Evenly spaced levels with an entropy coder
come within a quarter of a bit of it (at many bits); codes of one length, weight by weight, stay
further away.
"""

import numpy as np

from minilm.compression.parameters import is_table, matrices
from minilm.types import Params


def at_the_limit(params: Params, bits: float, seed: int) -> Params:
    """Every matrix as an ideal code of so many bits would give it back, its channels' own σ each.

    σ²: the mean square of a channel, a column of a weight (in, out) or a row of a table.
    """
    rng, distortion = np.random.default_rng(seed), 2.0 ** (-2 * bits)
    noisy = dict(params)
    for name, w in matrices(params).items():
        along = 1 if is_table(name) else 0
        sigma = np.sqrt(np.square(w).mean(axis=along, keepdims=True))
        noise = rng.standard_normal(w.shape, np.float32) * sigma
        shares = np.float32(1 - distortion), np.float32(np.sqrt(distortion * (1 - distortion)))
        noisy[name] = shares[0] * w + shares[1] * noise
    return noisy
