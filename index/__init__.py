"""Vectors and versions: embed photos, build a FAISS index, publish it whole, load it again."""
