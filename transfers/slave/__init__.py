"""A slave: claims tasks, hands them to worker processes, keeps its lease, settles what comes back."""
