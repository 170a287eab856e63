"""Pages and answers over HTTP, for this machine alone: what a run did to the neighbors of a query."""
