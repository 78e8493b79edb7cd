"""From a run to published weights and a Space."""
