"""The words of the translation task: what each is called, and what goes with what.

A Chinese noun is counted with a measure word of its own: 三本书 (three books), 三张桌子 (three
tables). Kinds keep sentences sensible: books are read, not eaten, and shirts are not fresh.
English measures some things too: "a pair of shoes" is 一双鞋, but "a pair of trousers" 一条裤子.
"""

from typing import NamedTuple


class Noun(NamedTuple):
    one: str
    many: str
    chinese: str
    measure: str
    kind: str

    @property
    def head(self) -> str:
        """The content word: `shoes` in "pair of shoes"."""
        return self.one.split()[-1]

    @property
    def portion(self) -> bool:
        """Whether English measures it too: a cup of tea, a pair of shoes."""
        return " of " in self.one


class Verb(NamedTuple):
    base: str
    third: str
    past: str
    ing: str
    chinese: str
    kinds: tuple[str, ...]  # of objects
    places: tuple[str, ...]


class Kind(NamedTuple):
    """short: adjectives right before the Chinese noun; loose, colours: with 的, before those."""

    short: tuple[str, ...]
    colours: tuple[str, ...]
    loose: tuple[str, ...]
    qualities: tuple[str, ...]  # what can be said of it: "this book is very thick"


def _nouns(table: str) -> tuple[Noun, ...]:
    nouns = []
    for line in table.strip().splitlines():
        kind, _, entries = line.partition(": ")
        for entry in entries.split("; "):
            one, many, chinese, measure = entry.split(", ")
            nouns.append(Noun(one, many, chinese, measure, kind))
    return tuple(nouns)


NOUNS = _nouns("""
reading: book, books, 书, 本; magazine, magazines, 杂志, 本; newspaper, newspapers, 报纸, 份
writing: letter, letters, 信, 封; story, stories, 故事, 个; novel, novels, 小说, 部
writing: poem, poems, 诗, 首; report, reports, 报告, 份; article, articles, 文章, 篇
clothing: shirt, shirts, 衬衫, 件; coat, coats, 大衣, 件; sweater, sweaters, 毛衣, 件
clothing: skirt, skirts, 裙子, 条; pair of trousers, pairs of trousers, 裤子, 条
clothing: pair of shoes, pairs of shoes, 鞋, 双; pair of socks, pairs of socks, 袜子, 双
headwear: hat, hats, 帽子, 顶; scarf, scarves, 围巾, 条; watch, watches, 手表, 块
headwear: pair of glasses, pairs of glasses, 眼镜, 副
food: apple, apples, 苹果, 个; pear, pears, 梨, 个; orange, oranges, 橙子, 个
food: egg, eggs, 鸡蛋, 个
food: banana, bananas, 香蕉, 根; carrot, carrots, 胡萝卜, 根; cake, cakes, 蛋糕, 个
dish: bowl of rice, bowls of rice, 米饭, 碗; bowl of noodles, bowls of noodles, 面条, 碗
drink: cup of tea, cups of tea, 茶, 杯; cup of coffee, cups of coffee, 咖啡, 杯
drink: glass of milk, glasses of milk, 牛奶, 杯
drink: bottle of water, bottles of water, 水, 瓶
furniture: table, tables, 桌子, 张; bed, beds, 床, 张; chair, chairs, 椅子, 把
furniture: lamp, lamps, 灯, 盏
goods: umbrella, umbrellas, 雨伞, 把; pen, pens, 钢笔, 支; pencil, pencils, 铅笔, 支
goods: camera, cameras, 照相机, 台; computer, computers, 电脑, 台; phone, phones, 手机, 部
goods: cup, cups, 杯子, 个; mirror, mirrors, 镜子, 面
paper: map, maps, 地图, 张; painting, paintings, 画, 幅; photo, photos, 照片, 张
paper: postcard, postcards, 明信片, 张
vehicle: car, cars, 汽车, 辆; bicycle, bicycles, 自行车, 辆; truck, trucks, 卡车, 辆
pet: cat, cats, 猫, 只; dog, dogs, 狗, 只; bird, birds, 鸟, 只; rabbit, rabbits, 兔子, 只
livestock: horse, horses, 马, 匹; cow, cows, 牛, 头; pig, pigs, 猪, 头; sheep, sheep, 羊, 只
flower: flower, flowers, 花, 朵; rose, roses, 玫瑰, 朵
""")

SHORT = {"big": "大", "small": "小", "new": "新", "old": "旧", "hot": "热", "cold": "冷"}
COLOURS = {
    "red": "红色的", "blue": "蓝色的", "white": "白色的",
    "black": "黑色的", "green": "绿色的", "yellow": "黄色的",
}  # fmt: skip
LOOSE = {
    "expensive": "昂贵的", "cheap": "便宜的", "beautiful": "漂亮的", "interesting": "有趣的",
    "important": "重要的", "long": "很长的", "short": "很短的", "fresh": "新鲜的",
}  # fmt: skip

EVERY_COLOUR = tuple(COLOURS)
PRICE = ("expensive", "cheap")
KINDS = {
    "reading": Kind(("new", "old"), (), ("interesting", *PRICE), ("interesting", "thick", *PRICE)),
    "writing": Kind(
        (), (), ("long", "short", "interesting", "important"),
        ("long", "short", "interesting", "important"),
    ),
    "clothing": Kind(("new", "old"), EVERY_COLOUR, ("beautiful", *PRICE), ("beautiful", *PRICE)),
    "headwear": Kind(("new", "old"), EVERY_COLOUR, ("beautiful", *PRICE), ("beautiful", *PRICE)),
    "food": Kind(("big", "small"), (), ("fresh", *PRICE), ("big", "small", "fresh", *PRICE)),
    "dish": Kind(("hot", "cold"), (), (), ("hot", *PRICE)),
    "drink": Kind(("hot", "cold"), (), (), ("hot", *PRICE)),
    "furniture": Kind(
        ("big", "small", "new", "old"), ("white", "black"), ("beautiful", *PRICE),
        ("big", "small", "heavy", *PRICE),
    ),
    "goods": Kind(("new", "old"), EVERY_COLOUR, PRICE, ("beautiful", "heavy", *PRICE)),
    "paper": Kind(("big", "small", "old"), (), ("beautiful",), ("big", "small", "beautiful")),
    "vehicle": Kind(("new", "old"), EVERY_COLOUR, PRICE, ("big", "small", *PRICE)),
    "pet": Kind(("big", "small"), ("white", "black"), ("beautiful",),
                ("big", "small", "beautiful")),
    "livestock": Kind(("big", "small"), ("white", "black"), (), ("big", "small", "heavy")),
    "flower": Kind(("big", "small"), ("red", "white", "yellow"), ("beautiful",),
                   ("big", "small", "beautiful")),
}  # fmt: skip
QUALITIES = {  # English comparative, Chinese
    "big": ("bigger", "大"), "small": ("smaller", "小"), "heavy": ("heavier", "重"),
    "long": ("longer", "长"), "short": ("shorter", "短"), "thick": ("thicker", "厚"),
    "hot": ("hotter", "热"), "fresh": ("fresher", "新鲜"), "cheap": ("cheaper", "便宜"),
    "expensive": ("more expensive", "贵"), "beautiful": ("more beautiful", "漂亮"),
    "interesting": ("more interesting", "有趣"), "important": ("more important", "重要"),
}  # fmt: skip

PLACES = {
    "market": ("at the market", "市场"), "shop": ("in the shop", "商店"),
    "library": ("in the library", "图书馆"), "school": ("at school", "学校"),
    "park": ("in the park", "公园"), "garden": ("in the garden", "花园里"),
    "station": ("at the station", "火车站"), "village": ("in the village", "村子里"),
    "kitchen": ("in the kitchen", "厨房"), "restaurant": ("in the restaurant", "餐厅"),
    "home": ("at home", "家里"),
}  # fmt: skip
INDOORS = {
    "table": ("on the table", "桌子上"), "bed": ("on the bed", "床上"),
    "box": ("in the box", "箱子里"), "chair": ("under the chair", "椅子下面"),
    "door": ("behind the door", "门后面"), "window": ("beside the window", "窗户旁边"),
}  # fmt: skip
OUTDOORS = {
    "house": ("in front of the house", "房子前面"), "school": ("behind the school", "学校后面"),
    "station": ("in front of the station", "火车站前面"), "tree": ("under the tree", "树下面"),
}  # fmt: skip

VERBS = {
    verb.base: verb
    for verb in (
        Verb("buy", "buys", "bought", "buying", "买",
             ("reading", "clothing", "headwear", "food", "furniture", "goods", "paper", "vehicle",
              "flower"), ("market", "shop")),
        Verb("sell", "sells", "sold", "selling", "卖",
             ("clothing", "food", "furniture", "vehicle", "flower"), ("market", "shop")),
        Verb("see", "sees", "saw", "seeing", "看见",
             ("vehicle", "pet", "livestock"), ("park", "station", "village")),
        Verb("find", "finds", "found", "finding", "找到",
             ("reading", "headwear", "goods", "paper", "pet"),
             ("park", "garden", "station", "school", "library")),
        Verb("read", "reads", "read", "reading", "读",
             ("reading", "writing"), ("library", "school", "park", "garden", "home")),
        Verb("write", "writes", "wrote", "writing", "写",
             ("writing",), ("library", "school", "home")),
        Verb("draw", "draws", "drew", "drawing", "画",
             ("vehicle", "pet", "livestock", "flower"), ("school", "park", "garden", "home")),
        Verb("eat", "eats", "ate", "eating", "吃",
             ("food", "dish"), ("kitchen", "restaurant", "park", "school", "home")),
        Verb("drink", "drinks", "drank", "drinking", "喝",
             ("drink",), ("kitchen", "restaurant", "school", "home")),
    )
}  # fmt: skip
WILLED = ("buy", "sell", "read", "write", "draw", "eat", "drink")  # one can plan to, and be at it

PAST_TIMES = {
    "yesterday": "昨天", "last night": "昨天晚上", "this morning": "今天早上",
    "last week": "上个星期", "last month": "上个月", "two days ago": "两天前",
    "three days ago": "三天前",
}  # fmt: skip
FUTURE_TIMES = {
    "tomorrow": "明天", "tomorrow morning": "明天早上", "tonight": "今天晚上",
    "next week": "下个星期", "next month": "下个月",
}  # fmt: skip
ADVERBS = {"always": "总是", "often": "常常", "sometimes": "有时候", "never": "从来不"}

PRONOUNS = {  # English: Chinese, form of "be"
    "I": ("我", "am"), "you": ("你", "are"), "he": ("他", "is"),
    "she": ("她", "is"), "we": ("我们", "are"), "they": ("他们", "are"),
}  # fmt: skip
FAMILY = {"mother": "妈妈", "father": "爸爸", "son": "儿子", "daughter": "女儿"}
FAMILY_OF = {"my": "我", "your": "你", "his": "他", "her": "她"}
PEOPLE = {  # English: Chinese, measure word (位 is polite)
    "teacher": ("老师", "位"), "doctor": ("医生", "位"), "nurse": ("护士", "位"),
    "writer": ("作家", "位"), "lawyer": ("律师", "位"), "engineer": ("工程师", "位"),
    "student": ("学生", "个"), "farmer": ("农民", "个"), "worker": ("工人", "个"),
    "driver": ("司机", "个"),
}  # fmt: skip
PERSONAL = {
    "young": "年轻", "tall": "高", "busy": "忙",
    "happy": "高兴", "clever": "聪明", "friendly": "友好",
}  # fmt: skip

NUMBERS = {
    "two": "两", "three": "三", "four": "四", "five": "五", "six": "六",
    "seven": "七", "eight": "八", "nine": "九", "ten": "十",
}  # fmt: skip
POINTING = {"this": "这", "that": "那", "these": "这些", "those": "那些"}
LOOSELY = {"many": "很多", "some": "一些"}  # without a measure word
ROUGHLY = {"a few": "几", "several": "好几"}  # with one
