"""Physics: pure, seeded, batched functions; complex tensors in, complex tensors out."""
