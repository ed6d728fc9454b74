"""Translation: a sentence of every structure as read and approved; an English one has one answer.
"""

import numpy as np
import pytest

from minilm.text.tasks import translation_words as words
from minilm.text.tasks.translation import SEEN, UNSEEN, compose

# Of each structure, in the order of SEEN + UNSEEN, the sentence that seed 5 draws. Who changes
# the grammar or its words on purpose reads the new ones and puts them here.
APPROVED = """
Three engineers ate six big apples yesterday.
昨天有三位工程师吃了六个大苹果。
Three engineers ate six big apples in the kitchen three days ago.
三天前有三位工程师在厨房吃了六个大苹果。
Yesterday three engineers ate six big apples.
昨天有三位工程师吃了六个大苹果。
She did not eat this orange this morning.
她今天早上没有吃这个橙子。
Did she eat this orange this morning?
她今天早上吃了这个橙子吗？
Did she eat this orange in the park yesterday?
她昨天在公园吃了这个橙子吗？
Three engineers ate several small apples and several cheap eggs this morning.
今天早上有三位工程师吃了好几个小苹果和好几个便宜的鸡蛋。
Three engineers ate several small apples and several cheap eggs in the restaurant last week.
上个星期有三位工程师在餐厅吃了好几个小苹果和好几个便宜的鸡蛋。
Three engineers will eat six big apples tomorrow.
明天有三位工程师会吃六个大苹果。
Three engineers will eat six big apples in the kitchen next month.
下个月有三位工程师会在厨房吃六个大苹果。
Tomorrow three engineers will eat six big apples.
明天有三位工程师会吃六个大苹果。
Next month three engineers will eat six big apples in the kitchen.
下个月有三位工程师会在厨房吃六个大苹果。
She will not eat this orange tonight.
她今天晚上不会吃这个橙子。
She will not eat this orange in the park tomorrow.
她明天不会在公园吃这个橙子。
Will she eat this orange tonight?
她今天晚上会吃这个橙子吗？
Three engineers will eat several small apples and several cheap eggs tomorrow morning.
明天早上有三位工程师会吃好几个小苹果和好几个便宜的鸡蛋。
She often eats oranges.
她常常吃橙子。
She often eats oranges in the restaurant.
她常常在餐厅吃橙子。
She is eating an orange.
她正在吃一个橙子。
She is eating an orange in the park.
她正在公园吃一个橙子。
Is she eating this orange?
她正在吃这个橙子吗？
My father is wearing a pair of trousers today.
我爸爸今天穿着一条裤子。
We want to write a story.
我们想写一个故事。
We do not want to write this story.
我们不想写这个故事。
We like this glass of milk.
我们喜欢这杯牛奶。
We do not like this glass of milk.
我们不喜欢这杯牛奶。
What did she eat this morning?
她今天早上吃了什么？
What did she eat in the restaurant yesterday?
她昨天在餐厅吃了什么？
Who ate that big apple this morning?
今天早上谁吃了那个大苹果？
Who ate that egg in the restaurant yesterday?
昨天谁在餐厅吃了那个鸡蛋？
How many big apples did she eat this morning?
她今天早上吃了几个大苹果？
How many eggs did she eat in the restaurant yesterday?
她昨天在餐厅吃了几个鸡蛋？
Six workers gave my father several old magazines this morning.
今天早上有六个工人给了我爸爸好几本旧杂志。
Six workers gave several old magazines to my father this morning.
今天早上有六个工人给了我爸爸好几本旧杂志。
Six workers sent several old books to my father this morning.
今天早上有六个工人给我爸爸寄了好几本旧书。
Six workers borrowed several old books from my father this morning.
今天早上有六个工人向我爸爸借了好几本旧书。
We put that egg in the box this morning.
我们今天早上把那个鸡蛋放在了箱子里。
We did not put that egg in the box this morning.
我们今天早上没有把那个鸡蛋放在箱子里。
We will put that egg in the box tonight.
我们今天晚上会把那个鸡蛋放在箱子里。
There are seven maps behind the door.
门后面有七张地图。
There are seven cows under the tree.
树下面有七头牛。
Those cars are very expensive.
那些汽车很贵。
Those cars are not expensive.
那些汽车不贵。
Are those cars expensive?
那些汽车贵吗？
Those cars are more expensive than that bicycle.
那些汽车比那辆自行车贵。
The books that your father found two days ago are very interesting.
你爸爸两天前找到的那些书很有趣。
The nurses who read five new books two days ago are very young.
两天前读了五本新书的那些护士很年轻。
Three days ago three engineers ate six big apples in the kitchen.
三天前有三位工程师在厨房吃了六个大苹果。
She did not eat this orange in the park yesterday.
她昨天没有在公园吃这个橙子。
Will she eat this orange in the park tomorrow?
她明天会在公园吃这个橙子吗？
Is she eating this orange in the park?
她正在公园吃这个橙子吗？
We will not put that egg in the box tonight.
我们今天晚上不会把那个鸡蛋放在箱子里。
There are seven maps and five new magazines behind the door.
门后面有七张地图和五本新杂志。
"""


@pytest.fixture
def few_words(monkeypatch):
    """The same grammar with so few words that it often writes a sentence it has written before."""

    def first(words_of, n):
        return dict(list(words_of.items())[:n])

    nouns = sorted(words.NOUNS, key=lambda noun: noun.one != noun.many)  # "sheep" is one and many
    of_kind = {kind: [noun for noun in nouns if noun.kind == kind] for kind in words.KINDS}
    monkeypatch.setattr(words, "NOUNS", [n for kind in of_kind.values() for n in kind[:2]])
    for name, n in {"PEOPLE": 1, "FAMILY": 2, "FAMILY_OF": 1, "PAST_TIMES": 1, "FUTURE_TIMES": 1,
                    "PERSONAL": 1, "NUMBERS": 1, "INDOORS": 1, "OUTDOORS": 1}.items():  # fmt: skip
        monkeypatch.setattr(words, name, first(getattr(words, name), n))
    one_of_each = {kind: words.Kind(*(tuple(part)[:1] for part in parts))
                   for kind, parts in words.KINDS.items()}  # fmt: skip
    monkeypatch.setattr(words, "KINDS", one_of_each)
    verbs = {base: verb._replace(places=verb.places[:1]) for base, verb in words.VERBS.items()}
    monkeypatch.setattr(words, "VERBS", verbs)


def test_one_english_sentence_has_one_translation(few_words):
    rng, known, again = np.random.default_rng(2), {}, 0
    for structure in SEEN + UNSEEN:
        for _ in range(400):
            source, target, _ = compose(structure, rng)
            again += source in known
            assert known.setdefault(source, target) == target
    assert again > 3000


def test_a_sentence_of_every_structure_is_as_approved():
    lines = iter(APPROVED.strip().split("\n"))
    for structure in SEEN + UNSEEN:
        source, target, _ = compose(structure, np.random.default_rng(5))
        assert (source, target) == (next(lines), next(lines)), structure
    assert not list(lines)
