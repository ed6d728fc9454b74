"""Views: what the model sees of its parameters while it is trained.

    seen, pullback = view(params, step)         see minilm.training.openings

A view applies a function to the weights, and its pullback takes the gradient at what was seen back
to what is stored. The float weights stay underneath: small steps add up there until they cross to
the next level.

    straight_through.py  sees x̂ = fake_quantize(x);   ∂x̂/∂x := 1 where x is not clipped, else 0
    learned_steps.py     the same, and the step s is trained too, as `w:step`
    learned_levels.py    sees the levels of settled codes, and the levels are trained
    learned_clips.py     sees weights that clip and round what multiplies them, at `w:clip`
    masked.py            sees x ⊙ mask;               ∂/∂x = mask
    learned_masks.py     the same; scores, `w:score`, are trained, and say what the mask keeps
    combining.py         compose: sees v2(v1(x));     pullbacks in the opposite order
"""

from minilm.compression.views.combining import compose
from minilm.compression.views.learned_clips import (
    add_clips,
    clip_inputs,
    clip_penalty,
    learned_clips,
)
from minilm.compression.views.learned_masks import add_scores, learned_masks, prune_by_scores
from minilm.compression.views.learned_steps import add_steps, learned_steps, quantize_with_steps
from minilm.compression.views.masked import masked
from minilm.compression.views.straight_through import straight_through

__all__ = [
    "add_clips",
    "add_scores",
    "add_steps",
    "clip_inputs",
    "clip_penalty",
    "compose",
    "learned_clips",
    "learned_masks",
    "learned_steps",
    "masked",
    "prune_by_scores",
    "quantize_with_steps",
    "straight_through",
]
