"""``streamframe completion``: what a shell needs to complete our commands and options, made from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

Commands = list[tuple[tuple[str, ...], list[tuple[str, str]]]]
"""Words of a command, and what may follow: word and help."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``completion``."""
    parser = subparsers.add_parser(
        "completion",
        help="print completions for bash, zsh or fish",
        description="Print completions for a shell, to be read by it at its start.",
        epilog="examples:\n"
        "  streamframe completion bash > ~/.local/share/bash-completion/completions/streamframe\n"
        "  streamframe completion fish > ~/.config/fish/completions/streamframe.fish",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from streamframe.cli.main import build_parser

    commands = list(every_command(build_parser()))
    match args.shell:
        case "fish":
            print("\n".join(fish_lines(commands)))
        case "zsh":
            print("#compdef streamframe\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(commands))
        case _:
            print(bash_script(commands))
    return 0


def every_command(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, str]]]]:
    """Yield every command with what may follow it."""
    follow: list[tuple[str, str]] = []
    nested: list[tuple[tuple[str, ...], argparse.ArgumentParser]] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the only name of this type
            helps = {listed.dest: listed.help or "" for listed in action._choices_actions}  # noqa: SLF001 - as above
            for name, command in action.choices.items():
                follow.append((name, helps.get(name, "")))
                nested.append(((*words, name), command))
        else:
            follow += [(option, action.help or "") for option in action.option_strings if option.startswith("--")]
            if not action.option_strings and action.choices:
                follow += [(str(choice), "") for choice in action.choices]
    yield words, follow
    for deeper, command in nested:
        yield from every_command(command, deeper)


def bash_script(commands: Commands) -> str:
    """Return a completion function for bash."""
    cases = "\n".join(
        f'    "{" ".join(words)}") words="{" ".join(word for word, _ in follow)}" ;;' for words, follow in commands
    )
    known = " ".join(f'"{" ".join(words)}"' for words, _ in commands if words)
    return f"""\
_streamframe() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command="" word words="" longer
  local known=({known})
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    longer="${{command:+$command }}$word"
    for each in "${{known[@]}}"; do [[ "$each" == "$longer" ]] && command="$longer"; done
  done
  case "$command" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _streamframe streamframe"""


def fish_lines(commands: Commands) -> list[str]:
    """Return completion commands for fish."""
    lines: list[str] = []
    for words, follow in commands:
        inner = [word for word, _ in follow if not word.startswith("-")]
        seen = " and ".join(f"__fish_seen_subcommand_from {word}" for word in words).replace(" and ", "; and ")
        none_of = f"not __fish_seen_subcommand_from {' '.join(inner)}" if inner else ""
        condition = "; and ".join(part for part in (seen, none_of) if part) or "true"
        for word, meaning in follow:
            text = meaning.replace("%(default)s", "").replace("'", "’").split(" (default")[0]
            what = f"-l {word[2:]}" if word.startswith("--") else f"-f -a {word}"
            lines.append(f"complete -c streamframe -n '{condition}' {what} -d '{text}'")
    return lines
