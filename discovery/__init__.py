"""The search: proposes controllers, evaluates them, keeps them in an archive and stays within a budget."""
