"""DATA PLANE: scan, scheduler, slaves, the copying engine and the brokers."""
