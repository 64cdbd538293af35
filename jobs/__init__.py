"""CONTROL PLANE: everything durable, and what people ask of it. It knows no data plane.

::

    models/  choices.py  sqlite3/              rows, what their columns may say, and one of the databases they lie in
    states.py  transitions/  sql/              every state and every move as data; who performs them; the hot statements
    services.py  drafts.py  idempotency.py     what people ask of jobs; looked at before it is started; asked for twice
        refusals.py  overlaps.py  errors.py    what is refused, above all that a job feeds itself
        paths.py  durations.py  storages.py    a job's paths, its interval, its storages
    api/  admin/  management/  terminal/       the surfaces
        browsing.py  reports.py                a directory to choose from, and files as documents
        words.py  reasons.py                   numbers as people read them, and every reason with what to do
        accounts.py  logins.py  allowances.py  shell.py   who asks, and how often that may be
    selectors.py  latest.py                    what is looked up
        waiting.py  catalogue.py  pages.py     conditions and orders that an index answers
        compiled.py  changes.py  bell.py       asked many times a second, and not in vain
    insight/  metrics/  progress.py            figures, for people and for Prometheus
        counters.py  samples.py                what they are made of
    scans.py  upkeep.py  leases.py             a scan's life, a scheduler's turn, and who leads
        parking.py  troubles.py  notifications/   what holds a job up, and who is told
    slaves.py  claimable.py  batches.py        incarnations, what they may claim, and how much at once
        uploads.py  sealing.py                 what is left of an upload, its secrets encrypted
    machine.py  mounts.py                      which machine and process this is, and which file system a path lies on
    apps.py  checks.py  readiness.py           what must be true before anything begins
    damage.py  hanging_up.py  clock.py         databases, connections and clocks in trouble
"""
