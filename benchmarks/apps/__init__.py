"""The same seven answers, written for each contestant in its own idiom."""
