"""Data sets behind one door, without torch: people audit data without training.

base.py         Record, Info, Count, Option, DataReader: what every reader gives and says of itself
problems.py     Fault and Problems: raised at once, or counted
registry.py     `names()`, `reader(name)`; then one file a data set, each with its `READERS`
archive.py      a folder that no path leads out of; rows.py: rows that know their place; pickled_names.py: lists
                that were pickled, read without being run
check.py        `check(name, root)`: counts beside the official ones, faults, a verdict; stats.py: figures
prepare.py      an archive as Parquet; columns.py: what is in it; manifest.py: what it is known by
prepared.py     prepared data read back; given.py: what `--data DIR` means; faces.py: FER+ as arrays
splits.py       folds, `val` cut from `train`, fixed lists; clusters.py: rows that belong together
audit.py        what splits share; entries.py, audit_inputs.py: rows in; fingerprints.py: when pictures are equal;
                audit_findings.py, audit_tables.py: findings out
"""
