"""Many runs, one claim: studies, searches, comparisons."""
