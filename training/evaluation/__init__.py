"""How good an embedding is, with labels and without."""
