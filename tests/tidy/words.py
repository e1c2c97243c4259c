"""What must not stand in any file: places that only the writer has, and names of registries."""

import re
from collections.abc import Iterator

from tests.tidy.tree import Tree

# Put together here so that this file does not contain what it bans.
REGISTRY_HOSTS = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
    )
]
BANNED = {
    "the path of one machine": re.compile(r"(?<![\w.~\-])/(?:home|root|work|Users)/"),
    "the host of a registry": re.compile("|".join(map(re.escape, REGISTRY_HOSTS))),
    "a word about how the work is done": re.compile("sub" + r"-?agent", re.IGNORECASE),
}


def banned_words(tree: Tree) -> Iterator[str]:
    for path, text in tree.text_files():
        for number, line in enumerate(text.splitlines(), start=1):
            for what, pattern in BANNED.items():
                if found := pattern.search(line):
                    yield f"{path}:{number}: {what}: {found[0]}"
