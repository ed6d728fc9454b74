"""English -> Chinese: word order, agreement and measure words, with one right answer each.

    The doctors who bought two red umbrellas last week are very busy.
    上个星期买了两把红色的雨伞的那些医生很忙。

The rules, each with what it does (S subject, V verb, O object, T time, P place):

1.  T and P stand before the verb. I saw a cat in the park yesterday. 我昨天在公园看见了一只猫。
    A time that begins the English sentence begins the Chinese one. Tomorrow she … 明天她…
2.  Number + measure word + noun, and this, that + measure word + noun: 两本书, 这本书; two is 两.
    these 这些, those 那些, many 很多, some 一些 take none; a few 几, several 好几 take one.
3.  Adjectives with 的 before those without (big, small, new, old, hot, cold): a big red hat is
    一顶红色的大帽子.
4.  Past is V了, denied 没有V; future 会V, denied 不会V; habit has an adverb: 常常, 总是, 从来不…
5.  is V-ing is 正在V. Before a place its 在 is not said twice: 正在图书馆读, not 正在在图书馆读.
6.  wear is 穿 for clothes, 戴 for what one puts on head, neck, wrist, nose; is wearing is V着.
7.  Yes-no questions add 吗; what, who and how many (几) stand where the answer would:
    她昨天买了什么？
8.  A new person (a doctor, two students) is brought in by 有, and T before it: 昨天有两个学生….
    Who also follows T: 昨天谁买了这本书？
9.  give: S T 给了 R O, whichever way round English says it; send: S T 给 R 寄了 O;
    borrow: S T 向 R 借了 O. What becomes of a known O (this, that) is told by 把:
    S T 把 O 给了 R, S T 把 O 寄给了 R, S T 把 O 放在了 P.
10. There is O P: P有O. O₁ is bigger than O₂: O₁比O₂大. O is very big: O很大, denied O不大.
11. Relative clauses come first, and the noun is 那 or 那些: 她昨天买的那本书很贵。
12. Family without 的 (我妈妈), "the" people bare (老师), several of them with 们 (老师们).

A structure is such a pattern with its marks. Six that combine marks seen apart are never trained.
A combination is two content words (nouns, verbs, adjectives; not "wear", whose two translations
depend on the noun). Over 100 million sentences; all words are in text/tasks/translation_words.py.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minilm.text.tasks import translation_words as words
from minilm.text.tasks.task import Draft, Task, pairs, pick
from minilm.text.tasks.translation_phrases import (
    KNOWN,
    NEW,
    bare,
    known_person,
    new_or_known_person,
    person,
    place_for,
    thing,
    two_things,
)

Rng = np.random.Generator


class Sentence(NamedTuple):
    """Both languages without capital and end mark, and the content words."""

    english: str
    chinese: str
    content: Sequence[str]
    question: bool = False


def _event(marks: Sequence[str], rng: Rng) -> Sentence:
    """past, future; with place, front (T first), deny, ask, two (objects)."""
    past, deny, ask = "past" in marks, "deny" in marks, "ask" in marks
    verb = words.VERBS[pick(rng, list(words.VERBS) if past else words.WILLED)]
    plain = not (deny or ask)
    s = new_or_known_person(rng) if plain else person(rng)
    o = thing(rng, verb.kinds, NEW + KNOWN if plain else KNOWN)
    if "two" in marks:
        first, second = two_things(rng, verb.kinds)
        o = first.joined(second)
    p = place_for(rng, verb.places, "place" in marks)
    time, when = pick(rng, list((words.PAST_TIMES if past else words.FUTURE_TIMES).items()))

    auxiliary = "did" if past else "will"
    if ask:
        english = f"{auxiliary} {s.english} {verb.base} {o.english}{p.english} {time}"
    else:
        said = verb.past if past else f"will {verb.base}"
        said = f"{auxiliary} not {verb.base}" if deny else said
        english = f"{s.english} {said} {o.english}{p.english}"
        english = f"{time} {english}" if "front" in marks else f"{english} {time}"
    mark = {(True, True): "没有", (False, True): "不会", (False, False): "会"}.get((past, deny), "")
    done = "了" if past and not deny else ""
    begin = s.at(when, first="front" in marks)
    chinese = f"{begin}{mark}{p.chinese}{verb.chinese}{done}{o.chinese}{'吗' * ask}"
    return Sentence(english, chinese, [verb.base, *s.content, *o.content, *p.content], ask)


def _habit(marks: Sequence[str], rng: Rng) -> Sentence:
    verb, s = words.VERBS[pick(rng, words.WILLED)], person(rng)
    o, p = bare(rng, verb.kinds), place_for(rng, verb.places, "place" in marks)
    adverb, how = pick(rng, list(words.ADVERBS.items()))
    said = verb.third if s.be == "is" else verb.base
    return Sentence(
        f"{s.english} {adverb} {said} {o.english}{p.english}",
        f"{s.chinese}{how}{p.chinese}{verb.chinese}{o.chinese}",
        [verb.base, *s.content, *o.content, *p.content],
    )


def _progress(marks: Sequence[str], rng: Rng) -> Sentence:
    verb, s, ask = words.VERBS[pick(rng, words.WILLED)], person(rng), "ask" in marks
    o = thing(rng, verb.kinds, KNOWN if ask else ("a", *KNOWN))
    p = place_for(rng, verb.places, "place" in marks)
    begin = f"{s.be} {s.english}" if ask else f"{s.english} {s.be}"
    return Sentence(
        f"{begin} {verb.ing} {o.english}{p.english}",
        f"{s.chinese}正{p.chinese or '在'}{verb.chinese}{o.chinese}{'吗' * ask}",
        [verb.base, *s.content, *o.content, *p.content],
        ask,
    )


def _wear(marks: Sequence[str], rng: Rng) -> Sentence:
    s = person(rng)
    while s.be == "are":  # two people do not wear one hat
        s = person(rng)
    o = thing(rng, ("clothing", "headwear"), ("a",))
    wear = {"clothing": "穿", "headwear": "戴"}[o.noun.kind]
    english = f"{s.english} {s.be} wearing {o.english} today"
    return Sentence(english, f"{s.chinese}今天{wear}着{o.chinese}", [*s.content, *o.content])


def _wish(marks: Sequence[str], rng: Rng) -> Sentence:
    """want (to V O), like (O); with deny."""
    s = person(rng)
    third, deny = s.be == "is", "deny" in marks
    said, wish = ("like", "喜欢") if "like" in marks else ("want", "想")
    content = [said]
    said = f"do{'es' * third} not {said}" if deny else said + "s" * third
    kinds = tuple(words.KINDS)
    if "want" in marks:
        verb = words.VERBS[pick(rng, words.WILLED)]
        said, wish, kinds = f"{said} to {verb.base}", wish + verb.chinese, verb.kinds
        content.append(verb.base)
    o = thing(rng, kinds, KNOWN if deny or "like" in marks else NEW + KNOWN)
    english = f"{s.english} {said} {o.english}"
    return Sentence(
        english, f"{s.chinese}{'不' * deny}{wish}{o.chinese}", [*content, *s.content, *o.content]
    )


def _ask_for(marks: Sequence[str], rng: Rng) -> Sentence:
    """what, who, many (how many O); with place."""
    verb, s = words.VERBS[pick(rng, list(words.VERBS))], person(rng)
    p = place_for(rng, verb.places, "place" in marks)
    time, when = pick(rng, list(words.PAST_TIMES.items()))
    content = [verb.base, *p.content]
    if "who" in marks:
        o = thing(rng, verb.kinds, KNOWN)
        english = f"who {verb.past} {o.english}{p.english} {time}"
        chinese = f"{when}谁{p.chinese}{verb.chinese}了{o.chinese}"
        return Sentence(english, chinese, [*content, *o.content], True)
    asked, answer = "what", "什么"
    if "many" in marks:
        o = thing(rng, verb.kinds, ("how many",))
        asked, answer = o.english, o.chinese
        content += o.content
    english = f"{asked} did {s.english} {verb.base}{p.english} {time}"
    chinese = f"{s.at(when)}{p.chinese}{verb.chinese}了{answer}"
    return Sentence(english, chinese, [*content, *s.content], True)


GIVEN = ("reading", "clothing", "headwear", "food", "goods", "paper", "flower")
SENT = ("reading", "writing", "paper")
SMALL = ("reading", "clothing", "headwear", "food", "goods", "paper")
OUTDOOR_KINDS: tuple[str, ...] = ("vehicle", "pet", "livestock")
LENT = ("reading", "goods", "vehicle")
TRANSFERS = {  # kinds, English, Chinese of a new thing, Chinese of a known one
    "give": (GIVEN, "gave {r} {o}", "给了{r}{o}", "把{o}给了{r}"),
    "give-to": (GIVEN, "gave {o} to {r}", "给了{r}{o}", "把{o}给了{r}"),
    "send": (SENT, "sent {o} to {r}", "给{r}寄了{o}", "把{o}寄给了{r}"),
    "borrow": (LENT, "borrowed {o} from {r}", "向{r}借了{o}", "向{r}借了{o}"),
}


def _transfer(marks: Sequence[str], rng: Rng) -> Sentence:
    """give, give-to, send, borrow: O goes from one person to another, R."""
    s, r = new_or_known_person(rng), known_person(rng)
    while r.content == s.content:
        r = known_person(rng)
    time, when = pick(rng, list(words.PAST_TIMES.items()))
    kinds, english, of_new, of_known = TRANSFERS[marks[0]]
    known = pick(rng, (False, True))
    o = thing(rng, kinds, KNOWN if known else NEW)
    english = english.format(r=r.english, o=o.english)
    chinese = (of_known if known else of_new).format(r=r.chinese, o=o.chinese)
    content = [marks[0].removesuffix("-to"), *s.content, *r.content, *o.content]
    return Sentence(f"{s.english} {english} {time}", s.at(when) + chinese, content)


def _put(marks: Sequence[str], rng: Rng) -> Sentence:
    """把: what becomes of a known thing; with future, deny."""
    s, future, deny = person(rng), "future" in marks, "deny" in marks
    o = thing(rng, SMALL, KNOWN)
    location, (where, at) = pick(rng, list(words.INDOORS.items()))
    time, when = pick(rng, list((words.FUTURE_TIMES if future else words.PAST_TIMES).items()))
    said = {(0, 0): "put", (0, 1): "did not put", (1, 0): "will put", (1, 1): "will not put"}
    mark = {(0, 0): "", (0, 1): "没有", (1, 0): "会", (1, 1): "不会"}[future, deny]
    done = "" if future or deny else "了"
    return Sentence(
        f"{s.english} {said[future, deny]} {o.english} {where} {time}",
        f"{s.at(when)}{mark}把{o.chinese}放在{done}{at}",
        ["put", location, *s.content, *o.content],
    )


def _exist(marks: Sequence[str], rng: Rng) -> Sentence:
    """There is/are O P, indoors or outdoors; with two (things): the first decides is or are."""
    if "outdoors" in marks:
        locations, kinds = words.OUTDOORS, OUTDOOR_KINDS
    else:
        locations, kinds = words.INDOORS, (*SMALL, "pet")
    location, (where, at) = pick(rng, list(locations.items()))
    first, second = two_things(rng, kinds)
    o = first.joined(second) if "two" in marks else first
    return Sentence(
        f"there {first.be} {o.english} {where}", f"{at}有{o.chinese}", [location, *o.content]
    )


def _quality(marks: Sequence[str], rng: Rng) -> Sentence:
    """O is very Q; with deny, ask; than compares two things of a kind."""
    o = thing(rng, tuple(words.KINDS), KNOWN, plain=True)
    quality = pick(rng, words.KINDS[o.noun.kind].qualities)
    comparative, how = words.QUALITIES[quality]
    content = [quality, *o.content]
    if "than" in marks:
        other = o
        while other.noun == o.noun:
            other = thing(rng, (o.noun.kind,), KNOWN, plain=True)
        english = f"{o.english} {o.be} {comparative} than {other.english}"
        return Sentence(english, f"{o.chinese}比{other.chinese}{how}", [*content, *other.content])
    if "ask" in marks:
        return Sentence(f"{o.be} {o.english} {quality}", f"{o.chinese}{how}吗", content, True)
    degree, mark = ("not", "不") if "deny" in marks else ("very", "很")
    return Sentence(f"{o.english} {o.be} {degree} {quality}", o.chinese + mark + how, content)


def _relative(marks: Sequence[str], rng: Rng) -> Sentence:
    """The N that S V-ed T is very Q (object), the doctor who V-ed O T is very Q (subject)."""
    time, when = pick(rng, list(words.PAST_TIMES.items()))
    many = pick(rng, (False, True))
    be, those = ("are", "那些") if many else ("is", "那")
    if "subject" in marks:
        verb = words.VERBS[pick(rng, list(words.VERBS))]
        who, (chinese, measure) = pick(rng, list(words.PEOPLE.items()))
        o = thing(rng, verb.kinds, NEW)
        quality, how = pick(rng, list(words.PERSONAL.items()))
        english = f"the {who}{'s' * many} who {verb.past} {o.english} {time} {be} very {quality}"
        named = f"{those}{'' if many else measure}{chinese}"
        content = [verb.base, who, quality, *o.content]
        return Sentence(english, f"{when}{verb.chinese}了{o.chinese}的{named}很{how}", content)
    verb = words.VERBS[pick(rng, ("buy", "sell", "see", "find", "read", "write", "draw"))]
    s = person(rng)
    nouns = [noun for noun in words.NOUNS if noun.kind in verb.kinds and not noun.portion]
    noun = pick(rng, nouns)
    quality = pick(rng, words.KINDS[noun.kind].qualities)
    name = noun.many if many else noun.one
    english = f"the {name} that {s.english} {verb.past} {time} {be} very {quality}"
    named = f"{those}{'' if many else noun.measure}{noun.chinese}"
    chinese = f"{s.at(when)}{verb.chinese}的{named}很{words.QUALITIES[quality][1]}"
    return Sentence(english, chinese, [verb.base, noun.head, quality, *s.content])


PATTERNS: dict[str, Callable[[Sequence[str], Rng], Sentence]] = {
    "event": _event, "habit": _habit, "progress": _progress, "wear": _wear, "wish": _wish,
    "ask-for": _ask_for, "transfer": _transfer, "put": _put, "exist": _exist,
    "quality": _quality, "relative": _relative,
}  # fmt: skip
SEEN = (
    "event past", "event past place", "event past front", "event past deny", "event past ask",
    "event past ask place", "event past two", "event past two place",
    "event future", "event future place", "event future front", "event future front place",
    "event future deny", "event future deny place", "event future ask", "event future two",
    "habit", "habit place", "progress", "progress place", "progress ask", "wear",
    "wish want", "wish want deny", "wish like", "wish like deny",
    "ask-for what", "ask-for what place", "ask-for who", "ask-for who place", "ask-for many",
    "ask-for many place", "transfer give", "transfer give-to", "transfer send", "transfer borrow",
    "put past", "put past deny", "put future", "exist", "exist outdoors",
    "quality", "quality deny", "quality ask", "quality than", "relative object", "relative subject",
)  # fmt: skip
UNSEEN = (
    "event past front place", "event past deny place", "event future ask place",
    "progress ask place", "put future deny", "exist two",
)  # fmt: skip


def compose(structure: str, rng: Rng) -> Draft:
    pattern, *marks = structure.split()
    english, chinese, content, question = PATTERNS[pattern](marks, rng)
    english = english[0].upper() + english[1:] + (".", "?")[question]
    return Draft(english, chinese + ("。", "？")[question], pairs(content))


TRANSLATION = Task("translation", compose, SEEN, UNSEEN, ("word", "char"))
