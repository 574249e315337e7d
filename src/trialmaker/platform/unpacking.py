"""The bound on what a file from somebody else unpacks to: the memory there is, and how dense honest files are.

A few kilobytes can unpack to gigabytes, so the size is checked before the first byte is unpacked.
"""

from trialmaker.errors import UserError
from trialmaker.platform.memory import free_memory

DEFLATE_RATIO = 1032  # zip and gzip pack no denser: a size that is claimed beyond that is a lie
MAX_RATIO = 100  # of pictures, labels and weights: MNIST is packed 5 times denser than it is, blank paper 30 times
HARMLESS_BYTES = 64 * 1024**2  # which may be packed as densely as can be
GIGA = 1000**3


def check_unpacked(file: object, size: int, *, packed: int, copies: int = 1) -> None:
    """Check that a packed file may be unpacked.

    Args:
        file: its name, for the message.
        size: of the content, bytes, as the file claims.
        packed: its bytes in the file.
        copies: of the content that are in memory at once.

    Raises:
        UserError: it is packed more densely than any honest file, or takes more memory than is free.
    """
    if size > max(HARMLESS_BYTES, MAX_RATIO * packed):
        raise UserError(
            f"{file}: unpacks from {packed} bytes to {size / GIGA:.1f} GB, expected at most {MAX_RATIO} times as much; "
            "leave it out, or unpack it yourself if you trust it"
        )
    check_memory(file, size * copies)


def check_memory(file: object, size: int) -> None:
    """Check that the content of a file fits into memory.

    Args:
        file: its name, for the message.
        size: of what is made from it, bytes.

    Raises:
        UserError: it does not.
    """
    free = free_memory()
    if size > free:
        raise UserError(
            f"{file}: takes {size / GIGA:.1f} GB of memory, expected at most the {free / GIGA:.1f} GB that are free; "
            "use a smaller one, or a machine with more memory"
        )
