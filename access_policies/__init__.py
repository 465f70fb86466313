"""May they: the Casbin model, purposes and legal bases, typed rules, the decision and why."""
