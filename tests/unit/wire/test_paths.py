"""Path globs, and which entry of a list decides."""

import re
import time

import msgspec
import pytest

from farthing.errors import OutOfRange
from farthing.wire.paths import find, glob, plain_path


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A path that costs with some methods."""

    path: str
    methods: tuple[str, ...] = ("GET",)

    @property
    def matches(self) -> re.Pattern[str]:
        return glob(self.path)

    def costs(self, method: str) -> bool:
        return method in self.methods


NARROW, WIDE = Entry(path="/a/*"), Entry(path="/**", methods=("GET", "POST"))


@pytest.mark.parametrize(
    ("method", "path", "entry"),
    [
        ("GET", "/a/b", NARROW),
        ("POST", "/a/b", WIDE),
        ("GET", "/a/b/c", WIDE),
        ("PUT", "/a/b", None),
        ("GET", "/free/x", None),
        ("GET", "/free/../a/b", NARROW),
        ("GET", "/a/../free/x", WIDE),
    ],
)
def test_the_first_entry_decides_unless_the_path_is_free(
    method: str, path: str, entry: Entry | None
) -> None:
    assert find([glob("/free/*")], [NARROW, WIDE], method, path) == entry


@pytest.mark.parametrize("pattern", ["/**/**/**", "/*a*b*", "/" + "*" * 9])
def test_a_glob_that_tries_too_many_ways_is_refused(pattern: str) -> None:
    with pytest.raises(OutOfRange, match="glob_too_wide"):
        glob(pattern)


@pytest.mark.parametrize("pattern", ["/**a**b", "/*a*b", "/*/*/*/*", "/**/*a*/*/**", "/a/***"])
def test_the_widest_glob_answers_at_once(pattern: str) -> None:
    began_s = time.perf_counter()
    assert not glob(pattern).fullmatch("/" + "a" * 2_000 + "\n/c")
    assert time.perf_counter() - began_s < 1.0


@pytest.mark.parametrize(
    ("path", "plain"),
    [("/", "/"), ("/a", "/a"), ("/a/", "/a/"), ("//", "/"), ("/..", "/"), ("/a/..", "/"),
     ("//a//b/", "/a/b/"), ("/a/./b/../c", "/a/c"), ("/.a/..b", "/.a/..b")],
)  # fmt: skip  # - pairs in a table
def test_a_path_is_read_as_most_origins_read_it(path: str, plain: str) -> None:
    assert plain_path(path) == plain


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("/a/*", ["/a/", "/a/b", "/a/b.html", "/a/\n"], ["/a", "/a/b/c", "/b/a/b"]),
        ("/a/**", ["/a/", "/a/b", "/a/b/c"], ["/a", "/ab"]),
        ("/**/x.png", ["/a/x.png", "/a/b/x.png"], ["/a/x-png", "/x.png2"]),
        ("/a.b+c(d)", ["/a.b+c(d)"], ["/aXb+c(d)", "/a.bbc(d)"]),
        ("/*/b", ["/a/b", "//b"], ["/a/a/b"]),
    ],
)
def test_globs(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    for path in fits:
        assert glob(pattern).fullmatch(path), path
    for path in fits_not:
        assert not glob(pattern).fullmatch(path), path
