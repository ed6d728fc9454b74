"""Tasks with exact answers: small grammars written for this project, any number of pairs of them.

    TASKS["dates"].examples(1000, seed=0, part="train")  ->  [Example(source, target), …]

task.py         what a task is; no test combination is ever trained on, and how that is made sure
symbols.py      copy, reverse, sort
addition.py     27+145 -> 172
dates.py        dates in ten formats -> ISO 8601
numerals.py     30507 -> 三万零五百零七, thirty thousand five hundred seven
translation.py  English -> Chinese; its words in translation_words.py, phrases in …_phrases.py
sentiment.py    negation and its scope, noisy labels; Bayes accuracy and a bag of words' limit known
summarization.py  an event log -> its k most important events
questions.py    a short passage and a question -> a word
hypotheses.py   four sentences that sound alike -> the one that is language
files.py        a person's own sentence pairs or labelled texts
"""

from minilm.text.tasks.addition import ADDITION
from minilm.text.tasks.dates import DATES
from minilm.text.tasks.files import load_labelled, load_pairs, save_pairs
from minilm.text.tasks.hypotheses import HYPOTHESES
from minilm.text.tasks.numerals import NUMBERS_CHINESE, NUMBERS_ENGLISH
from minilm.text.tasks.questions import QUESTIONS
from minilm.text.tasks.sentiment import SENTIMENT, bag_of_words_ceiling
from minilm.text.tasks.summarization import SUMMARIZATION
from minilm.text.tasks.symbols import COPY, REVERSE, SORT
from minilm.text.tasks.task import PARTS, Example, Task
from minilm.text.tasks.translation import TRANSLATION

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        COPY, REVERSE, SORT, ADDITION, DATES, NUMBERS_CHINESE, NUMBERS_ENGLISH, TRANSLATION,
        SENTIMENT, SUMMARIZATION, QUESTIONS, HYPOTHESES,
    )
}  # fmt: skip

__all__ = [
    "PARTS",
    "TASKS",
    "Example",
    "Task",
    "bag_of_words_ceiling",
    "load_labelled",
    "load_pairs",
    "save_pairs",
]
