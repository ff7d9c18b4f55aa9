from __future__ import annotations

from pathlib import Path

import pytest

from erlen.debug.installing import install_command, module_beside


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("uvicorn", 'pip install "erlen[uvicorn]"'),
        ("brotli", 'pip install "erlen[compression]"'),
        ("cryptography", 'pip install "erlen[encryption]"'),
        ("watchfiles", 'pip install "erlen[standard]"'),
        ("dotenv", 'pip install "erlen[standard]"'),
        ("sqlalchemy", 'pip install "erlen[standard]"'),
        ("yaml", "pip install PyYAML"),
        ("PIL", "pip install Pillow"),
        ("my_module", "pip install my-module"),
        ("pytest", "pip install pytest"),
    ],
)
def test_modules_have_their_distributions(module: str, command: str) -> None:
    assert install_command(module) == command


def test_a_near_module_beside(tmp_path: Path) -> None:
    (tmp_path / "models.py").touch()
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "__init__.py").touch()
    (tmp_path / "folder").mkdir()
    file = str(tmp_path / "app.py")
    assert module_beside("modles", file) == "models"
    assert module_beside("veiws.home", file) == "views.home"
    assert module_beside("foldr", file) is None
    assert module_beside("models", file) is None
    assert module_beside("something", None) is None
