"""`zkpoll completion`: let a shell complete commands and options."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print what makes a shell complete commands and options.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete zkpoll's commands, options and file names.

    It works where the command is called `zkpoll` and on the PATH. An installation below /usr or /usr/local
    brings it along, in PREFIX/share. Else, for good, in your own account:

    \b
      bash  zkpoll completion bash > ~/.local/share/bash-completion/completions/zkpoll
            (with the package bash-completion; bash 4.4 or newer)
      zsh   zkpoll completion zsh > ~/.zfunc/_zkpoll
            (with `fpath+=~/.zfunc; autoload -Uz compinit; compinit` in ~/.zshrc)
      fish  zkpoll completion fish > ~/.config/fish/completions/zkpoll.fish

    Make the folder first where there is none. To try it in this shell alone:

    \b
      source <(zkpoll completion bash)     zkpoll completion fish | source
    """  # noqa: D301  # click's own mark is the character itself
    click.echo(script(context.find_root().command, shell), nl=False)


def script(command: click.Command, shell: str) -> str:
    """Given the whole command line and a shell's name, return the script that this shell sources.

    Not click's `source()`: for bash it would first ask the bash of this machine for its version. Another one
    may source it.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"click knows no completion for {shell}", param_hint="SHELL")
    made = kind(command, {}, "zkpoll", "_ZKPOLL_COMPLETE")
    return made.source_template % made.source_vars()
