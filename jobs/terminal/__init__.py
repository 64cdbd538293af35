"""How jobs look on a terminal: words for numbers, tables, and a display that is drawn anew while something happens.

Everything that shows names takes them as `display_path` made them: no control character ever reaches the terminal.
"""
