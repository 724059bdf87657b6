"""The layers, one file per kind, under PyTorch's paths where it has them; import from ``lamina.nn``."""
