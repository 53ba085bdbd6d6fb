"""What a run is called; light, for whoever only shows it."""

SAFE, NOT_SHOWN, DO_NOT = "safe to try", "not shown safe", "do not use this one"
