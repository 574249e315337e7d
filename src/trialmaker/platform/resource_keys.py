"""What the keys of a ``resource.json`` are called, and what their values are."""

import re
from typing import Any

CHIEF_ROLE = "chief"
# What keys are called, in lower case and without "_" and "-".
KINDS = "instance|node|worker|host|server|machine|pod|container|cluster|member|peer|task|replica"
PLACE_WORDS = rf"{KINDS}|private|internal|inner|intranet|local|public"
ADDRESS_KEY = re.compile(
    rf"(?P<place>{PLACE_WORDS})?(?:(?P<ip>ip(?:v4|v6)?(?:addr|address)?|addr|address)|host|hostname|endpoint|dns|dnsname|fqdn)"
    r"(?P<plural>s|es|list)?"
)
ID_KEY = re.compile(rf"(?:{KINDS})id")  # an instance's name, of which some platforms make its IP address
PART_KEY = re.compile(r"(?:device|gpu|npu|accelerator|card|disk|volume)(?:s|list|infos?)?")  # what an instance has
NETWORK_KEY = re.compile(r"(?:network)?(?:interface|nic|network|netcard)(?:s|list|infos?)?")  # each an address of one
PORT_KEY = re.compile(r"(?!ssh|http|web)[a-z]*port(?:s|list)?")
CHIEF_KEY = re.compile(
    r"(?:chief|master|head|leader|coordinator|primary|main|driver|launcher)(?:node|host|instance)?s?"
)
WORKER_KEY = re.compile("workers?")
INSTANCE_KEY = re.compile(rf"(?:{KINDS}|rank)\d+")
LIST_KEY = re.compile(
    rf"(?:all)?(?:{KINDS}|ip|addr|address|endpoint|hostname)(?:s|es)?(?:list|info|infos|details|spec|ips|hosts)?|list"
)
UNUSED_ROLE = re.compile(r"ps|parameterservers?|evaluators?")
OWN_KEY = re.compile(
    rf"(?:current|own|self|my|this|local)(?:{PLACE_WORDS})?(?:ip|addr|address|host|hostname|name|endpoint)?|is(?:current|self)"
)
INDEX_KEY = re.compile(rf"(?:current|own|my|this)?(?:{KINDS})?(?:index|rank|ordinal)")
NUMBERED_KEY = re.compile(r"[a-z]*\d+")


def plain(name: str) -> str:
    """Return a key in lower case, its letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_list(key: str, value: Any) -> bool:
    """Return whether a plain key, with such a value, lists instances."""
    if isinstance(value, list | dict):
        return bool((LIST_KEY.fullmatch(key) and key != "task") or CHIEF_KEY.fullmatch(key))
    if not isinstance(value, str):
        return False
    if match := ADDRESS_KEY.fullmatch(key):
        return match["plural"] is not None
    return bool(CHIEF_KEY.fullmatch(key) or (LIST_KEY.fullmatch(key) and key.endswith(("s", "list"))))


def role_of(text: str) -> str:
    """Return the role that a text names, ``CHIEF_ROLE`` for each that means it."""
    return CHIEF_ROLE if CHIEF_KEY.fullmatch(text.lower()) else text.lower()


def integer(value: Any) -> int | None:
    """Return the integer that a value is or spells; None for any other."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) <= 6:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
