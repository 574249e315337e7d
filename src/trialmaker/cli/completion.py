"""``python -m trialmaker completion``."""

import click

from trialmaker.cli.command_class import Command

HELP = """\
Print what makes bash complete commands, options and files with the Tab key.

\b
    eval "$(python -m trialmaker completion)"

It completes after python -m trialmaker; other scripts that python runs keep the completion that they had before.
"""
# COMP_WORDS begins with "python -m trialmaker": click is given the words from "trialmaker" on.
BASH = """\
_trialmaker_before=$(complete -p python 2>/dev/null | sed -n 's/.* -F \\([^ ]*\\).*/\\1/p')
_trialmaker_complete() {
    if [[ "${COMP_WORDS[1]}" != -m || "${COMP_WORDS[2]}" != trialmaker ]]; then
        [[ -z $_trialmaker_before ]] || "$_trialmaker_before" "$@"
        return
    fi
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS="${COMP_WORDS[*]:2}" COMP_CWORD=$((COMP_CWORD - 2)) _TRIALMAKER_COMPLETE=bash_complete \\
        "${COMP_WORDS[0]}" -m trialmaker)
}
complete -o nosort -F _trialmaker_complete python python3
"""


@click.command("completion", cls=Command, help=HELP, short_help="complete commands with the Tab key, in bash")
def command() -> int:
    """Execute the command; return the exit code."""
    print(BASH, end="")
    return 0
