"""``python -m trialmaker completion``."""

import click

from trialmaker.cli.command_class import Command

HELP = """\
Print what makes bash complete commands, options and files with the Tab key, after python -m trialmaker or trialmaker.

Other scripts that python runs keep the completion that they had before.
"""
EXAMPLES = ('eval "$({program} completion)"',)
# COMP_WORDS begins with "python -m trialmaker" or "trialmaker": click is given the words from "trialmaker" on.
BASH = """\
_trialmaker_before=$(complete -p python 2>/dev/null | sed -n 's/.* -F \\([^ ]*\\).*/\\1/p')
_trialmaker_complete() {
    local kind value before=2 program=("${COMP_WORDS[0]}" -m trialmaker)
    if [[ "${COMP_WORDS[0]##*/}" == trialmaker ]]; then
        before=0 program=("${COMP_WORDS[0]}")
    elif [[ "${COMP_WORDS[1]}" != -m || "${COMP_WORDS[2]}" != trialmaker ]]; then
        [[ -z $_trialmaker_before ]] || "$_trialmaker_before" "$@"
        return
    fi
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(COMP_WORDS="${COMP_WORDS[*]:before}" COMP_CWORD=$((COMP_CWORD - before)) \\
        _TRIALMAKER_COMPLETE=bash_complete "${program[@]}")
}
complete -o nosort -F _trialmaker_complete python python3 trialmaker
"""


@click.command(
    "completion", cls=Command, help=HELP, short_help="complete commands with the Tab key, in bash", examples=EXAMPLES
)
def command() -> int:
    """Execute the command; return the exit code."""
    print(BASH, end="")
    return 0
