"""The place of PyTorch's compiler, which is not here; code imports its options before it asks whether to
compile."""
