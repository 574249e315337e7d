"""Where data sets in MNIST's form lie: their published files in a directory, below it, or in zip files there."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from trialmaker.data.archives import InputFile, ZipMember, zip_members
from trialmaker.data.files import abridge, is_file, is_folder, list_folder, list_sub_folders
from trialmaker.data.mnist_family import name_in, normalize
from trialmaker.data.mnist_parts import ARRAYS, FOUR_ROLES, TABLE, TEST_TABLE, Role, identify_files
from trialmaker.data.pixel_tables import is_pixel_table
from trialmaker.errors import UserError

MAX_MNIST_DEPTH = 3
# Their groups are set (of the names that tell it), part, kind. The dot is in the names that some tools unpack to.
IDX_NAME = re.compile(
    r"(?:(?P<set>.+?)-)?(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx\d-(?:ubyte|int)(?:\.gz)?", re.I
)
KUZUSHIJI_NAME = re.compile(r"(?P<set>.+)-(?P<part>train|test)-(?P<kind>imgs|labels)\.npz", re.I)
KERAS_NAME = re.compile(r"(?P<set>.*mnist.*)\.npz", re.I)
TABLE_NAME = re.compile(r"(?:(?P<set>.+?)[-_])?(?P<part>train|test)\.csv", re.I)


@dataclass(frozen=True)
class Candidate:
    """The files of one data set.

    Args:
        claim: the set's name in the names of its files, such as ``emnist-letters``; "" where they do not tell it.
        files: by role.
        place: the folder or the zip file that holds them.
        hint: the set that the names of the folders and of the zip file around mean; "" for none.
    """

    claim: str
    files: dict[Role, InputFile]
    place: Path
    hint: str

    @property
    def missing(self) -> list[Role]:
        """Return the roles that no file has; a table of test pictures may be missing."""
        return [role for role in FOUR_ROLES if role not in self.files] if set(self.files) & set(FOUR_ROLES) else []

    @cached_property
    def name(self) -> str:
        """Return the set's name, by its files' names, else by its labels, else by where it lies."""
        unknown = self.files[TABLE].name if TABLE in self.files else "mnist-like"
        return self.claim or identify_files(self.files) or self.hint or unknown


def find(directory: Path, variant: str | None) -> Candidate | None:
    """Find a data set in the directory or its sub-folders, breadth first, `MAX_MNIST_DEPTH` deep; or in a zip file.

    Args:
        variant: its name, or the end of it: ``letters`` for ``emnist-letters``; None for the only one that there is.

    Returns:
        the nearest one, None for none. In one folder, plain files come before zip files, and of two forms of one set
        the four files before ``.npz`` before ``.csv``.

    Raises:
        UserError: the directory may not be read; two sets of one level are there to choose from; or other ones are
            there than the variant.
    """
    others: list[str] = []
    for candidates in _by_precedence(directory, variant):
        matches = {(c.name, c.place): c for c in reversed(candidates) if _is_meant(c.name, variant)}
        if len(matches) > 1:
            raise _choice_error(directory, list(reversed(matches.values())))
        if matches:
            return next(iter(matches.values()))
        others += [candidate.name for candidate in candidates]
    if variant and others:
        raise UserError(f"data.variant={variant}: {directory} holds {abridge(list(dict.fromkeys(others)))}")
    return None


def _by_precedence(directory: Path, variant: str | None) -> Iterator[list[Candidate]]:
    """Yield the complete sets to choose from, nearest first; zip files are opened only where they may be needed."""
    if is_file(directory):
        yield _complete(_in_zip(directory, ""))
    for level in _levels(directory):
        yield (plain := [c for folder in level for c in _complete(_in_folder(folder, directory))])
        if variant or not plain:
            yield [c for folder in level for c in _complete(_in_zips(folder, directory))]


def incomplete(directory: Path) -> list[Candidate]:
    """Return the nearest sets in the directory or its sub-folders of which some files are missing."""
    for level in _levels(directory):
        if candidates := [c for folder in level for c in _in_folder(folder, directory) if c.missing]:
            return candidates
    return []


def _levels(directory: Path) -> Iterator[list[Path]]:
    """Yield the folders of each level below a directory, itself first; no folder twice by another link."""
    level = [directory] if is_folder(directory) else []
    if level:
        list_folder(directory)  # for its error: unreadable folders below are skipped
    for _ in range(MAX_MNIST_DEPTH + 1):
        yield list({folder.resolve(): folder for folder in reversed(level)}.values())[::-1]
        level = [folder for parent in level for folder in list_sub_folders(parent)]


def _in_folder(folder: Path, directory: Path) -> list[Candidate]:
    try:
        files = list_folder(folder)[1]
    except UserError:
        return []
    return list(_group(files, folder, _hint(folder, directory)))


def _in_zips(folder: Path, directory: Path) -> Iterator[Candidate]:
    """Yield the sets in the zip files of a folder."""
    with suppress(UserError):
        for path in list_folder(folder)[1]:
            if path.suffix.lower() == ".zip":
                yield from _in_zip(path, _hint(folder, directory))


def _in_zip(archive: Path, hint: str) -> Iterator[Candidate]:
    """Yield the sets in a zip file, those that lie higher first; none where it cannot be read."""
    members: dict[PurePosixPath, list[ZipMember]] = {}
    with suppress(UserError):
        for member in zip_members(archive):
            members.setdefault(PurePosixPath(member.member).parent, []).append(member)
    for inner in sorted(members, key=lambda path: (len(path.parts), path)):
        yield from _group(members[inner], archive, name_in(str(inner)) or name_in(archive.stem) or hint)


def _group(files: Iterable[InputFile], place: Path, hint: str) -> Iterator[Candidate]:
    """Yield the sets that the names of some files of one folder tell, best form first."""
    groups: dict[tuple[int, str], dict[Role, InputFile]] = {}
    for file in sorted(files, key=_preference):
        if match := _match(file.name):
            rank, claim, role = match
            if role not in (TABLE, TEST_TABLE) or is_pixel_table(file):
                groups.setdefault((rank, claim), {}).setdefault(role, file)
    for (_, claim), roles in sorted(groups.items()):
        if set(roles) != {TEST_TABLE}:
            yield Candidate(claim, roles, place, hint)


def _match(name: str) -> tuple[int, str, Role] | None:
    """Return the rank of a file's form, the set that its name tells, and its role; None for other files."""
    for rank, pattern in enumerate((IDX_NAME, KUZUSHIJI_NAME, KERAS_NAME, TABLE_NAME)):
        if match := pattern.fullmatch(name):
            claim = normalize(match["set"] or "")
            if pattern is KERAS_NAME:
                return rank, "" if claim == "mnist" else claim, ARRAYS  # Fashion-MNIST is told by its labels
            part = "train" if match["part"].lower() == "train" else "test"
            if pattern is TABLE_NAME:
                return rank, claim, TABLE if part == "train" else TEST_TABLE
            return rank, claim, (part, "labels" if match["kind"].lower() == "labels" else "images")
    return None


def _preference(file: InputFile) -> tuple[bool, bool]:
    """Return a sort key: files before broken links, unpacked ones, which are faster to read, before packed ones."""
    return isinstance(file, Path) and not is_file(file), file.name.endswith(".gz")


def _complete(candidates: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if not candidate.missing]


def _hint(folder: Path, directory: Path) -> str:
    """Return the set that the name of a folder means, or that of a folder around it up to the directory."""
    names = (directory.name, *folder.relative_to(directory).parts)
    return next((hint for name in reversed(names) if (hint := name_in(name))), "")


def _is_meant(name: str, variant: str | None) -> bool:
    return not variant or name == normalize(variant) or name.endswith(f"-{normalize(variant)}")


def _choice_error(directory: Path, candidates: list[Candidate]) -> UserError:
    names = [candidate.name for candidate in candidates]
    if len(set(names)) == len(names):
        choices = f"{', '.join(names[:-1])} and {names[-1]}"
        return UserError(f"{directory} holds {choices}: say which one, such as data.variant={names[0]}")
    places = " and in ".join(str(candidate.place) for candidate in candidates)
    return UserError(f"{names[0]} lies in {places}: say which one to use as data.directory")
