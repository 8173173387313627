"""The pass: engine, backward and grad, hooks, edges, the nodes of leaves and Functions."""
