"""SimCLR on the catalog's own photos: views, encoder, projection head, NT-Xent, the loop, checkpoints."""
