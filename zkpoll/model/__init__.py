"""The nouns that cross borders between the rooms. All are frozen; none does I/O."""
