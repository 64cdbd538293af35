"""Scanning: source listing, catalogue and sink listing, merged in one pass (docs in `run.py`).

::

    perform.py                       from a claimed scan to a finished one
    run.py                           one scan
        joining.py  merge.py         its three streams, and how they are joined
        rules.py  decide.py          whether a path is the job's, and what it needs
        directories.py  changes.py   directories, decided when they are left; what is not written yet
    listing.py  lister.py            listings by processes of their own: the scan's end, and theirs
    comparison.py  comparer.py       comparisons that began before Django was loaded: the scan's end, and theirs
"""
