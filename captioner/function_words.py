"""The stop list of English captions: every word that is not on it is a content word.

Colours are content words. "can" is one too: in captions it is nearly always the thing.
"""

from __future__ import annotations

_ARTICLES_AND_PRONOUNS = (
    "a an the this that these those another other each every either neither both all any some no such same "
    "i you he she it we they me him her us them my your his its our their mine yours hers ours theirs "
    "myself yourself himself herself itself ourselves yourselves themselves who whom whose which what "
    "someone something everyone everything anyone anything nobody nothing"
)
_NUMBERS = "zero one two three four five six seven eight nine ten several many much few more most"
_VERBS = (
    "be am is are was were been being has have had having do does did doing "
    "could will would shall should may might must"
)
_PREPOSITIONS = (
    "of in on at to by for from with without within into onto upon over under underneath near next through throughout "
    "across along alongside around behind between among amongst during against about above below beneath beside "
    "besides inside outside up down off out toward towards past beyond after before until since"
)
_OTHERS = (
    "and or nor but so if as while than because then there here where when why how not too very "
    "'s n't 'm 'd 'll 're 've"  # clitics, as `tokenize` splits them off
)
FUNCTION_WORDS = frozenset(" ".join((_ARTICLES_AND_PRONOUNS, _NUMBERS, _VERBS, _PREPOSITIONS, _OTHERS)).split())
