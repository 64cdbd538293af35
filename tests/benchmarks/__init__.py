"""`make bench`: SyncF and its peers on the same trees, side by side in one call (docs/performance.md)."""
