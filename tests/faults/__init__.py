"""Everything that may die, does: nothing is lost, and nothing is done twice."""
