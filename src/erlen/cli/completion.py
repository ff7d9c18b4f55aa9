"""`erlen completion`."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what completes `erlen` commands, options and your application's own commands in a shell.

    \b
    To have it in every new shell:
      erlen completion bash >> ~/.bashrc
      erlen completion zsh >> ~/.zshrc
      erlen completion fish > ~/.config/fish/completions/erlen.fish
    """  # noqa: D301 - click keeps the lines after this mark
    from click.shell_completion import get_completion_class

    from erlen.cli.main import main

    completion = get_completion_class(shell)
    if completion is None:
        raise click.ClickException(f"there is no completion for {shell}")
    click.echo(completion(main, {}, "erlen", "_ERLEN_COMPLETE").source())
