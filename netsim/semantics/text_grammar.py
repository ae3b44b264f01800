"""The reference corpus: sentences of a small weighted grammar about parliament, generated from a seed.

Word lists, productions and weights are those of the specification's appendix A, on which its figures were
measured. A word of a list is drawn with weight (rank + 1)^-0.6, a production with its weight; symbols are
expanded left to right. Sentences of 4 to 29 words are kept, repeated ones dropped.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

import numpy as np

ZIPF = 0.6
MIN_WORDS, MAX_WORDS = 4, 29

WORDS = {
    "INST": (
        "commission council parliament committee presidency government bank court agency assembly "
        "delegation bureau secretariat ombudsman cabinet"
    ),
    "PERS": (
        "commissioner president minister rapporteur chairman colleague member citizen farmer worker "
        "fisherman consumer student researcher investor expert official delegate mayor judge"
    ),
    "ROLEPL": (
        "members citizens farmers workers consumers students researchers investors experts officials "
        "women families regions states companies unions partners refugees pensioners children"
    ),
    "ADJ": (
        "new clear strong important serious difficult common european national regional political "
        "economic social financial legal technical urgent practical effective fair open honest useful "
        "modern balanced flexible ambitious realistic transparent sustainable"
    ),
    "ADV": (
        "clearly strongly fully simply certainly really rapidly carefully honestly firmly gradually "
        "formally seriously warmly entirely directly"
    ),
    "DOC": (
        "report resolution proposal amendment directive regulation agreement treaty budget programme "
        "text compromise recommendation motion opinion statement document question strategy framework"
    ),
    "TOPIC": (
        "agriculture fisheries transport energy education research employment enlargement security "
        "immigration asylum taxation competition tourism culture health safety trade fraud corruption "
        "pollution inflation poverty unemployment terrorism discrimination innovation development "
        "cohesion democracy"
    ),
    "NOUN": (
        "problem solution debate vote decision reform crisis market policy system measure position "
        "principle right rule standard condition procedure service project fund industry sector "
        "border environment situation process deadline mandate summit agenda objective priority "
        "result effort reason risk cost benefit"
    ),
    "NOUNPL": (
        "problems solutions decisions reforms markets policies systems measures positions principles "
        "rights rules standards conditions procedures services projects funds industries sectors "
        "borders situations deadlines priorities results efforts reasons risks costs benefits jobs "
        "taxes"
    ),
    "VT": (
        "support approve reject accept discuss improve examine adopt welcome oppose defend respect "
        "follow protect promote strengthen reduce change prepare present finance control simplify "
        "implement explain"
    ),
    "VTD": (
        "supported approved rejected accepted discussed improved examined adopted welcomed opposed "
        "defended respected followed protected promoted strengthened reduced changed prepared "
        "presented financed controlled simplified implemented explained"
    ),
    "VTHAT": "believe think know hope say fear understand expect note regret repeat admit insist",
    "PLACE": (
        "europe brussels strasbourg germany france spain italy portugal greece poland austria finland "
        "sweden ireland denmark hungary turkey russia africa asia kosovo cyprus malta romania"
    ),
    "TIME": "today tomorrow yesterday now soon later again already recently finally",
    "NUM": "two three four five six seven eight nine ten twelve twenty thirty fifty",
    "PERIOD": "years months weeks days",
    "MOD": "must should can will could may cannot would",
    "DET": "the this our that every",
    "DETPL": "the these our those many some all",
}

# symbol -> productions with weights: what is neither symbol nor list stands for itself
RULES: dict[str, tuple[tuple[str, float], ...]] = {
    "S": (
        ("S0", 5.0),
        ("ADVB S0", 0.0),
        ("S0 CONJ S0", 1.2),
        ("TIME S0", 0.6),
        ("ladies and gentlemen S0", 0.3),
        ("mr president S0", 0.5),
        ("madam president S0", 0.3),
        ("in PLACE S0", 0.4),
        ("Q", 0.8),
    ),
    "CONJ": (
        ("and", 2.0),
        ("but", 2.0),
        ("because", 1.5),
        ("although", 0.6),
        ("so", 0.6),
        ("while", 0.5),
    ),
    "S0": (
        ("NP MOD VT NP", 3.0),
        ("NPPL MOD VT NP", 2.0),
        ("i VTHAT that S1", 2.0),
        ("we VTHAT that S1", 1.6),
        ("the INST has VTD NP", 2.0),
        ("the INST has not VTD NP", 0.8),
        ("i would like to VT NP", 1.2),
        ("we need NPX for TOPIC", 1.5),
        ("there is NPX in PLACE", 1.0),
        ("there is no NOUN without NOUN", 0.4),
        ("it is ADJ to VT NP", 1.3),
        ("it is not ADJ to VT NP", 0.5),
        ("the vote will take place TIME", 0.3),
        ("the debate is closed", 0.15),
        ("i thank the PERS for the ADJ DOC", 0.7),
        ("i agree with the PERS", 0.4),
        ("i voted for NP", 0.4),
        ("i voted against NP", 0.4),
        ("NP is ADJ", 1.5),
        ("NP is not ADJ", 0.6),
        ("NP is very ADJ for the ROLEPL of PLACE", 0.7),
        ("NPPL are ADJ and ADJ", 0.8),
        ("we have been waiting for NP for NUM PERIOD", 0.6),
        ("NUM ROLEPL from PLACE have ADV VTD NP", 0.6),
        ("let us VT NP", 0.7),
        ("we ADV VT NP", 0.9),
        ("i ADV VT NP", 0.6),
    ),
    "S1": (
        ("NP MOD VT NP", 2.0),
        ("NP is ADJ", 1.5),
        ("NPPL are ADJ", 1.0),
        ("the INST will VT NP", 1.5),
        ("we MOD VT NP", 1.5),
        ("it is ADJ to VT NP", 0.6),
    ),
    "Q": (
        ("when will the INST VT NP", 1.0),
        ("why has the INST not VTD NP", 1.0),
        ("how can we VT NP", 1.0),
        ("what does the PERS think of NP", 0.7),
        ("who will finance NP", 0.4),
        ("is NP ADJ", 0.5),
    ),
    "NP": (
        ("DET DOC", 2.0),
        ("DET NOUN", 2.0),
        ("DET ADJ NOUN", 2.0),
        ("DET ADJ DOC", 1.4),
        ("DET DOC on TOPIC", 2.0),
        ("the NOUN of TOPIC", 1.0),
        ("the TOPIC policy of the INST", 0.7),
        ("the ADJ DOC from the INST", 0.7),
        ("the INST", 1.0),
        ("the PERS from PLACE", 0.6),
        ("the NOUN of the ROLEPL", 0.7),
        ("NPPL", 1.5),
    ),
    "NPPL": (
        ("DETPL NOUNPL", 2.0),
        ("DETPL ADJ NOUNPL", 1.5),
        ("DETPL ROLEPL", 1.5),
        ("the NOUNPL of the INST", 0.8),
        ("the ROLEPL of PLACE", 1.0),
        ("the NOUNPL in PLACE", 0.6),
    ),
    "NPX": (
        ("a ADJ NOUN", 2.0),
        ("a ADJ and ADJ DOC", 1.0),
        ("a NOUN", 1.0),
        ("more NOUNPL", 0.7),
        ("NUM ADJ NOUNPL", 0.5),
    ),
    "ADVB": (("TIME", 1.0),),
}


def cumulative_shares(weight: np.ndarray) -> list[float]:
    share = (weight / weight.sum()).cumsum()
    return (share / share[-1]).tolist()


class Grammar:
    """Draws sentences; the same seed gives the same ones."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.lists = {name: words.split() for name, words in WORDS.items()}
        self.ranks = {
            name: cumulative_shares((np.arange(len(words)) + 1.0) ** -ZIPF)
            for name, words in self.lists.items()
        }
        self.weights = {
            name: cumulative_shares(np.array([w for _, w in rules])) for name, rules in RULES.items()
        }

    def draw(self, cumulative: list[float]) -> int:
        # the number that Generator.choice(n, p=...) would return from the same state, ten times faster
        return bisect_right(cumulative, self.rng.random())

    def expand(self, symbol: str) -> list[str]:
        """Words of one symbol."""
        if symbol in self.lists:
            return [self.lists[symbol][self.draw(self.ranks[symbol])]]
        if symbol not in RULES:
            return [symbol]
        rules = RULES[symbol]
        chosen, _ = rules[self.draw(self.weights[symbol])]
        return [word for part in chosen.split() for word in self.expand(part)]


@lru_cache(maxsize=2)
def sentences(count: int = 40000, seed: int = 1) -> tuple[str, ...]:
    """`count` distinct sentences in the order in which they were drawn."""
    grammar = Grammar(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        words = grammar.expand("S")
        if MIN_WORDS <= len(words) <= MAX_WORDS:
            found.setdefault(" ".join(words))
    return tuple(found)


def vocabulary() -> list[str]:
    """Every word that the grammar can produce, sorted."""
    listed = {word for words in WORDS.values() for word in words.split()}
    fixed = {s for rules in RULES.values() for text, _ in rules for s in text.split()}
    return sorted(listed | {s for s in fixed if s not in WORDS and s not in RULES})
