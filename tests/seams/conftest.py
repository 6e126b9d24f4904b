"""Modules that stand for other people's: nobody imports them but the tests that say so, doctests neither."""

collect_ignore = ["my_stage.py", "still.py", "tone.py"]
