"""CONTROL PLANE: everything durable. Models, states, transitions, services, selectors, API, admin."""
