"""The place of ``lamina.hub``'s downloads in older scripts."""

from lamina.hub import load_state_dict_from_url as load_url

__all__ = ["load_url"]
