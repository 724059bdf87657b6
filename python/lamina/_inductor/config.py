"""The options of a compiler that is not here: none. Code asks with ``hasattr`` before it sets one."""
