from __future__ import annotations

import pytest

from erlen.db.names import label_of, plural_of, snake_case


@pytest.mark.parametrize(
    ("name", "snake", "label"),
    [
        ("Article", "article", "Article"),
        ("LogEntry", "log_entry", "Log entry"),
        ("HTTPLogEntry", "http_log_entry", "HTTP log entry"),
        ("OAuth2Token", "o_auth2_token", "O auth2 token"),
        ("UserID", "user_id", "User ID"),
        ("X", "x", "X"),
    ],
)
def test_a_class_name_becomes_snake_case_and_words(name: str, snake: str, label: str) -> None:
    assert snake_case(name) == snake
    assert label_of(name) == label


def test_a_field_name_becomes_words() -> None:
    assert [label_of(name) for name in ("id", "first_name", "home_url", "_x")] == ["ID", "First name", "Home URL", "X"]


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("article", "articles"),
        ("category", "categories"),
        ("day", "days"),
        ("address", "addresses"),
        ("status", "statuses"),
        ("analysis", "analyses"),
        ("alias", "aliases"),
        ("box", "boxes"),
        ("batch", "batches"),
        ("settings", "settings"),
        ("news", "news"),
        ("person", "people"),
        ("sales_person", "sales_people"),
        ("Log entry", "Log entries"),
        ("Person", "People"),
        ("HTTP log", "HTTP logs"),
        ("quiz", "quizzes"),
    ],
)
def test_the_plural_of_the_last_word(one: str, several: str) -> None:
    assert plural_of(one) == several
