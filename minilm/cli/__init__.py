"""python -m minilm …: the main job, and each of its steps by hand on saved files.

    commands      main, and the list of commands
    options       what several commands share: corpora, numbers in range, examples
    studying      study
    training      train, evaluate, distill
    writing       generate
    compressing   quantize, prune
    pipelines     compress
    pretrained    pretrained: info, generate; its other commands are in
    encoders      embed, rank, fill
    pretrained_quantize, pretrained_export   quantize, export
    grading       grade
"""

from minilm.cli.commands import main, parser
from minilm.cli.options import EXAMPLES, TASK_EXAMPLES

__all__ = ["EXAMPLES", "TASK_EXAMPLES", "main", "parser"]
