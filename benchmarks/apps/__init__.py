"""The same six answers, written for each contestant in its own idiom."""
