"""Data sets behind one door, without torch: people audit data without training.

    base.py         Record, Info, Count, Option, DataReader: what every reader gives and says of itself
    problems.py     Fault and Problems: raised at once, or counted
    registry.py     `names()`, `reader(name)`
    check.py        `check(name, root)`: counts beside the official ones, faults, a verdict
    archive.py      a folder that no path leads out of; rows.py: rows that know their place; pickled_names.py: lists
                    that were pickled, read without being run
    and one file a data set, each with its `READERS`
"""
