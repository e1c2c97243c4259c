"""The demo's site: every article is there, every link leads somewhere, nothing leaves the host."""

import html.parser
import pathlib
import urllib.parse
import xml.etree.ElementTree as ET

import pytest

from farthing.gazette import ARTICLES, site_path

SITE = site_path()
PAGES = sorted(SITE.rglob("*.html"))
DRAWINGS = sorted(SITE.rglob("*.svg"))
WORD_COUNT_MIN = 400  # shorter than this is a note, and nobody should pay for a note
DRAWING_BYTES_MAX = 6_000  # small enough to stay out of the way of what the demo measures
SVG = "{http://www.w3.org/2000/svg}"
VOID_TAGS = frozenset({"meta", "link", "img", "br", "hr"})
LINK_ATTRIBUTES = frozenset({"href", "src", "srcset", "action", "poster", "data"})


class Page(html.parser.HTMLParser):
    """One page as a reader meets it: its links, its words, its tags and what is wrong with them."""

    def __init__(self, path: pathlib.Path) -> None:
        """Read the page at `path`."""
        super().__init__(convert_charrefs=True)
        self.path = path
        self.links: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.metas: dict[str, str] = {}
        self.faults: list[str] = []
        self.open_tags: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open_tags]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and where it points."""
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.links += [value for name, value in values.items() if name in LINK_ATTRIBUTES]
        if "id" in values:
            self.ids.append(values["id"])
        if "name" in values:
            self.metas[values["name"]] = values.get("content", "")
        if tag == "img" and not values.get("alt"):
            self.faults.append("an image has no alt text")
        if tag not in VOID_TAGS:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost open tag, which must be this one."""
        if not self.open_tags or self.open_tags[-1] != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes {self.open_tags[-1:]}")
        else:
            self.open_tags.pop()

    def handle_data(self, data: str) -> None:
        """Keep the words of the article itself, without mastheads and captions."""
        if "article" in self.open_tags and "figure" not in self.open_tags:
            self.words += data.split()

    def target(self, link: str) -> pathlib.Path:
        """Return the file that a server of the site would answer `link` with."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(link).path)
        if not path:
            return self.path
        base = SITE if path.startswith("/") else self.path.parent
        found = (base / path.lstrip("/")).resolve()
        return found / "index.html" if found.is_dir() else found


def name_of(path: pathlib.Path) -> str:
    """Return the path below the site, as the name of a test case."""
    return path.relative_to(SITE).as_posix()


every_page = pytest.mark.parametrize("path", PAGES, ids=name_of)
every_article = pytest.mark.parametrize("article", ARTICLES)
every_drawing = pytest.mark.parametrize("path", DRAWINGS, ids=name_of)


def test_twelve_articles_are_listed_and_no_other_page_is_there() -> None:
    assert len(ARTICLES) == 12
    assert len(set(ARTICLES)) == len(ARTICLES)
    assert {"/" + name_of(path) for path in PAGES} == {"/index.html", *ARTICLES}


@every_article
def test_article_exists(article: str) -> None:
    assert (SITE / article.lstrip("/")).is_file()


@every_article
def test_article_is_worth_its_price(article: str) -> None:
    page = Page(SITE / article.lstrip("/"))
    assert len(page.words) >= WORD_COUNT_MIN
    assert page.tags.count("h1") == 1
    assert "h2" in page.tags


def test_front_page_leads_to_every_article_in_order_and_names_each_price() -> None:
    front = Page(SITE / "index.html")
    listed = [link for link in front.links if link.startswith("articles/")]
    assert tuple("/" + link for link in listed) == ARTICLES
    text = front.path.read_text(encoding="utf-8")
    assert text.count('<span class="price">0.02 cent</span>') == len(ARTICLES)


def test_articles_turn_to_the_next_one_and_back_to_the_front_page() -> None:
    for article, following in zip(ARTICLES, ARTICLES[1:] + ARTICLES[:1], strict=True):
        page = Page(SITE / article.lstrip("/"))
        targets = {page.target(link) for link in page.links}
        assert SITE.resolve() / following.lstrip("/") in targets
        assert SITE.resolve() / "index.html" in targets


@every_page
def test_tags_balance(path: pathlib.Path) -> None:
    page = Page(path)
    assert page.faults == []
    assert page.metas["description"]
    assert page.tags.count("title") == 1
    assert len(set(page.ids)) == len(page.ids)


@every_page
def test_every_link_resolves_to_a_file_of_the_site(path: pathlib.Path) -> None:
    page = Page(path)
    for link in page.links:
        target = page.target(link)
        assert target.is_file(), link
        assert target.is_relative_to(SITE.resolve()), link


@every_page
def test_no_page_refers_to_another_host_or_runs_a_script(path: pathlib.Path) -> None:
    page = Page(path)
    for link in page.links:
        parts = urllib.parse.urlsplit(link)
        assert not parts.scheme, link
        assert not parts.netloc, link
    assert not {"script", "iframe", "object", "embed", "base", "style"} & set(page.tags)
    assert "://" not in path.read_text(encoding="utf-8")


def test_style_sheet_loads_nothing() -> None:
    style = (SITE / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_gallery_loads_eight_tokens_at_once() -> None:
    page = Page(SITE / "articles" / "tokens.html")
    tokens = [link for link in page.links if "/tokens/" in link]
    assert tokens == [f"../img/tokens/{number}.svg" for number in range(1, 9)]


def test_every_drawing_is_used() -> None:
    used = {page.target(link) for page in map(Page, PAGES) for link in page.links}
    assert {path.resolve() for path in DRAWINGS} <= used


@every_drawing
def test_drawing_is_small_titled_and_self_contained(path: pathlib.Path) -> None:
    assert path.stat().st_size < DRAWING_BYTES_MAX
    root = ET.parse(path).getroot()  # the file is our own
    assert root.tag == SVG + "svg"
    assert root.findtext(SVG + "title")
    for element in root.iter():
        assert element.tag not in {SVG + "script", SVG + "image", SVG + "foreignObject"}
        for name, value in element.attrib.items():
            assert not name.endswith("href") or value.startswith("#")
