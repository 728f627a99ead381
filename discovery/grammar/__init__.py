"""The explorer that needs no language model: composes and mutates controllers from small named parts.

Proposes source; it evaluates nothing and knows no store.
"""

from discovery.grammar.explorer import GrammarExplorer
from discovery.grammar.recipe import Recipe

__all__ = ["GrammarExplorer", "Recipe"]
