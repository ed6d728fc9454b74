"""Compression: smaller parameters, and training that bears it.

    quantization/    fewer bits a weight: quantize, dequantize, fake_quantize,
                     product_quantize, the affine map; calibrate; METHODS, by name;
                     activations and whole models in integers
    allocation.py    more bits where a bit helps more: water_filling_bits, mixed_precision,
                     sensitivities, gather_gradients
    pruning/         fewer weights: prune; PRUNING, by name; cubic, lottery_ticket, measured_effect
    shrinking/       neurons, heads and LSTM units that are gone for good: shrink
    second_order.py  what rounding one weight spoils, made good by the others: sweep
    distillation/    a smaller model, taught by a larger one: distil, distillation_loss, LogitCache
    low_rank.py      a matrix as the product of two thin ones: factorize
    views/           training what will be compressed: straight_through, learned_steps,
                     learned_clips, masked, learned_masks, compose
    progressive.py   compressed part by part, the rest retrained: one_at_a_time, in_portions
    quantized_training.py   train, quantize, train quantized, dequantize: train_quantized
    quantized_gradients.py  gradients in few bits, with error feedback: QuantizedGradients
    adamw_8bit.py    an optimizer's state in bytes: AdamW8bit
    coding/          codes in as many bits as they are worth, Huffman and rANS: save_coded
    recipes/         all of it in a row, in Python or TOML: Recipe, stage, pareto_front
    parameters.py    which parameters are compressed, and which arrays are refused
"""

from minilm.compression.adamw_8bit import AdamW8bit
from minilm.compression.allocation import (
    error_damage,
    gather_gradients,
    loss_damage,
    mixed_precision,
    sensitivities,
    water_filling_bits,
)
from minilm.compression.coding import save_coded
from minilm.compression.distillation import LogitCache, distil, distillation_loss
from minilm.compression.low_rank import factorize, in_factors, joined, split_factors
from minilm.compression.progressive import by_damage, in_portions, one_at_a_time
from minilm.compression.pruning import (
    PRUNING,
    cubic,
    keep_masks,
    lottery_ticket,
    measured_effect,
    prune,
)
from minilm.compression.quantization import (
    METHODS,
    affine_codes,
    affine_values,
    calibrate,
    dequantize,
    fake_quantize,
    integer_only,
    lloyd_max,
    product_quantize,
    quantize,
    quantize_activations,
    true_bits,
)
from minilm.compression.quantized_gradients import QuantizedGradients
from minilm.compression.quantized_training import Stages, train_quantized
from minilm.compression.recipes import Recipe, pareto_front, stage
from minilm.compression.shrinking import shrink
from minilm.compression.views import (
    add_clips,
    add_scores,
    add_steps,
    clip_inputs,
    clip_penalty,
    compose,
    learned_clips,
    learned_masks,
    learned_steps,
    masked,
    prune_by_scores,
    quantize_with_steps,
    straight_through,
)

__all__ = [
    "METHODS",
    "PRUNING",
    "AdamW8bit",
    "LogitCache",
    "QuantizedGradients",
    "Recipe",
    "Stages",
    "add_clips",
    "add_scores",
    "add_steps",
    "affine_codes",
    "affine_values",
    "by_damage",
    "calibrate",
    "clip_inputs",
    "clip_penalty",
    "compose",
    "cubic",
    "dequantize",
    "distil",
    "distillation_loss",
    "error_damage",
    "factorize",
    "fake_quantize",
    "gather_gradients",
    "in_factors",
    "in_portions",
    "integer_only",
    "joined",
    "keep_masks",
    "learned_clips",
    "learned_masks",
    "learned_steps",
    "lloyd_max",
    "loss_damage",
    "lottery_ticket",
    "masked",
    "measured_effect",
    "mixed_precision",
    "one_at_a_time",
    "pareto_front",
    "product_quantize",
    "prune",
    "prune_by_scores",
    "quantize",
    "quantize_activations",
    "quantize_with_steps",
    "save_coded",
    "sensitivities",
    "shrink",
    "split_factors",
    "stage",
    "straight_through",
    "train_quantized",
    "true_bits",
    "water_filling_bits",
]
