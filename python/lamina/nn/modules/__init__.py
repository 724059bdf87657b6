"""The layers, one file per kind, under PyTorch's paths where it has them; users import them from
``lamina.nn``."""
