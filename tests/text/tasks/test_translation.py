"""Translation: agreement, measure words and both splits found again by reading the sentences."""

import re
from collections import Counter

import numpy as np
import pytest

from minilm.text.tasks import TASKS
from minilm.text.tasks import translation_words as words
from minilm.text.tasks.task import held_out, pairs
from minilm.text.tasks.translation import SEEN, compose

TASK = TASKS["translation"]
N = 3000


@pytest.fixture(scope="module")
def parts():
    sizes = {"train": 3 * N, "test": N, "structure": N // 4}
    return {part: TASK.examples(n, seed=0, part=part) for part, n in sizes.items()}


def forms():
    """English word -> content word, written again from the tables."""
    lemma = {}
    for noun in words.NOUNS:
        lemma |= {noun.one.split()[-1]: noun.head, noun.many.split()[-1]: noun.head}
    for verb in words.VERBS.values():
        lemma |= dict.fromkeys((verb.base, verb.third, verb.past, verb.ing), verb.base)
    for base, others in {
        "like": "likes", "want": "wants", "give": "gave", "send": "sent", "borrow": "borrowed",
        "put": "put",
    }.items():  # fmt: skip
        lemma |= {base: base, others: base}
    for word in [*words.SHORT, *words.COLOURS, *words.LOOSE, *words.PERSONAL, *words.FAMILY,
                 *words.PLACES, *words.INDOORS, *words.OUTDOORS]:  # fmt: skip
        lemma[word] = word
    for word, (comparative, _) in words.QUALITIES.items():
        lemma |= {word: word, comparative.split()[-1]: word}
    for who in words.PEOPLE:
        lemma |= {who: who, who + "s": who}
    return lemma


LEMMA = forms()


def content(source):
    """The content words of an English sentence, read off the sentence alone."""
    plain = re.sub(r"\w+ of ", "", source.lower())  # "cups of tea": the cups are a measure
    return {LEMMA[word] for word in re.findall(r"\w+", plain) if word in LEMMA}


def test_no_test_sentence_and_no_test_combination_of_content_words_is_trained(parts):
    together = {pair for e in parts["train"] for pair in pairs(content(e.source))}
    assert not any(map(held_out, together))  # so no other training sentence has one either
    whole = {frozenset(content(e.source)) for e in parts["train"]}
    for part in ("test", "structure"):
        for source, _ in parts[part]:
            new = set(pairs(content(source))) - together
            assert any(map(held_out, new)), source
            assert frozenset(content(source)) not in whole


CLASSES = [
    (r"\w+ of ", ""),
    ("|".join(sorted((*words.PAST_TIMES, *words.FUTURE_TIMES, "today"), key=len)[::-1]), " T "),
    ("|".join(place for place, _ in words.PLACES.values()), " P "),
    ("|".join(place for place, _ in (words.INDOORS | words.OUTDOORS).values()), " L "),
]


def skeleton(source):
    """The pattern of a sentence: everything of one class by one letter, phrases folded into one."""
    text = source.lower().replace("?", " ?").replace(".", " .")
    for pattern, letter in CLASSES:
        text = re.sub(rf"\b(?:{pattern})" if letter else pattern, letter, text)
    nominal = (set(words.PRONOUNS) | set(words.PEOPLE) | set(words.FAMILY) | set(words.FAMILY_OF)
               | set(words.NUMBERS) | set(words.POINTING) | set(words.LOOSELY) | {"i", "the", "an"}
               | {"a", "few", "several"} | {who + "s" for who in words.PEOPLE}
               | set(words.SHORT) | set(words.COLOURS) | set(words.LOOSE))  # fmt: skip
    nominal |= {name.split()[-1] for noun in words.NOUNS for name in (noun.one, noun.many)}
    verbs = {form for verb in words.VERBS.values() for form in (verb.base, verb.third, verb.past)}
    ing = {verb.ing for verb in words.VERBS.values()}
    letters = []
    for word in text.split():
        letter = "N" if word in nominal else "V" if word in verbs else "G" if word in ing else word
        letter = {"is": "be", "am": "be", "are": "be"}.get(letter, letter)
        if letter != "N" or letters[-1:] != ["N"]:
            letters.append(letter)
    return " ".join(letters)


def test_no_unseen_structure_is_trained(parts):
    assert skeleton("Last week two old nurses saw a red car in the park.") == "T N V N P ."
    seen = {skeleton(e.source) for e in parts["train"] + parts["test"]}
    unseen = {skeleton(e.source) for e in parts["structure"]}
    assert unseen == {
        "T N V N P .", "N did not V N P T .", "will N V N P T ?", "be N G N P ?",
        "N will not put N L T .", "there be N and N L .",
    }  # fmt: skip
    assert not unseen & seen and len(seen) > len(SEEN) - 5


def test_structures_are_the_same_in_train_and_test_and_new_words_never_come(parts):
    vocabulary = {word for e in parts["train"] for word in re.findall(r"\w+|[.?]", e.source)}
    characters = {c for e in parts["train"] for c in e.target}
    for part in ("test", "structure"):
        for source, target in parts[part]:
            assert set(re.findall(r"\w+|[.?]", source)) <= vocabulary
            assert set(target) <= characters
    assert len(vocabulary) < 350 and len(characters) < 350
    assert max(len(e.source.split()) for part in parts.values() for e in part) <= 24
    assert max(len(e.target) for part in parts.values() for e in part) <= 42


MEASURES = {noun.chinese: noun.measure for noun in words.NOUNS} | dict(words.PEOPLE.values())


def test_what_is_counted_is_counted_with_its_own_measure_word(parts):
    nouns = "|".join(sorted(MEASURES, key=len, reverse=True))
    number = "(?:[一两三四五六七八九十这那]|好?几)"
    counted = re.compile(f"{number}([^些们天个]|个(?!星期|月)).*?({nouns})")
    found = 0
    for source, target in parts["train"][:3000]:
        assert "二" not in target and "在在" not in target and "了了" not in target, target
        assert target.count("有") <= 1 + target.count("有趣") + target.count("有时候")
        text = re.sub(r"[两三]天前|这些|那些|有趣|今天早上|昨天早上", "|", target)
        for clause in text.split("|"):
            for measure, noun in counted.findall(clause)[:1]:
                found += 1
                assert MEASURES[noun] == measure, (source, target)
    assert found > 1000


def test_english_agrees(parts):
    many = "|".join(noun.many for noun in words.NOUNS if noun.many != noun.one)
    one = "|".join(noun.one for noun in words.NOUNS if noun.many != noun.one)
    numbers = "|".join(words.NUMBERS)
    thirds = {"he", "she"} | set(words.FAMILY) | set(words.PEOPLE)
    for source, _ in parts["train"]:
        text = source.lower()
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), source
        assert not re.search(rf"\b({'|'.join(thirds)}) (are|am|do|want|like)\b", text), source
        assert not re.search(r"\b(i|you|we|they) (is|does|wants|likes)\b", text), source
        assert not re.search(rf"\b(a|this|that) ({many})\b", text), source
        assert not re.search(rf"\b({numbers}|these|those|many) ({one})\b", text), source


@pytest.mark.parametrize(
    ("structure", "english", "chinese"),
    [
        ("event past", "Two students", "有两个学生"),
        ("event past", "The teachers ", "老师们"),
        ("event past", "The teacher ", "老师"),
        ("event past", "This doctor ", "这位医生"),
        ("event past", "That driver ", "那个司机"),
        ("event past", "big white horse ", "白色的大马"),
        ("event past", "bought a camera ", "买了一台照相机"),
        ("event past front", "Last night she ", "昨天晚上她"),
        ("event past deny", "I did not see this ", "没有看见这"),
        ("event past place", "at the market yesterday.", "在市场"),
        ("event future deny", " will not ", "不会"),
        ("habit place", "She never ", "她从来不在"),
        ("progress place", " in the library.", "正在图书馆"),
        ("wear", " is wearing a hat", "戴着一顶帽子"),
        ("wear", " is wearing a shirt", "穿着一件衬衫"),
        ("ask-for who", "Who saw ", "谁看见了"),
        ("transfer give-to", " to the doctor ", "给了医生"),
        ("transfer give", " this book ", "把这本书给了"),
        ("transfer send", "sent these letters ", "把这些信寄给了"),
        ("transfer borrow", " from the nurse", "向护士"),
        ("put past", "put those hats on the table", "把那些帽子放在了桌子上"),
        ("exist", "There is an egg in the box.", "箱子里有一个鸡蛋。"),
        ("quality than", "This cat is bigger than that dog.", "这只猫比那只狗大。"),
        ("relative object", "The book that she bought", "买的那本书很"),
        ("relative subject", "The doctors who ", "的那些医生很"),
    ],
)
def test_rules_by_hand(structure, english, chinese):
    rng = np.random.default_rng(0)
    for _ in range(60_000):
        source, target, _ = compose(structure, rng)
        if english in source:
            assert chinese in target, (source, target)
            return
    raise AssertionError(f"no sentence with {english!r}")


def test_held_out_pairs_still_show_every_word_often(parts):
    met = Counter(word for e in parts["train"] for word in content(e.source))
    assert set(met) == set(LEMMA.values()) and min(met.values()) >= 10
