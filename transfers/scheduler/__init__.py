"""The scheduler: requests and performs scans, publishes hints, takes back the work of the dead, ends what is done."""
