"""Check that every link within a built site leads to a file and an anchor that are there.

    python tools/check_links.py build/docs/html

Links to other sites are not asked after: it needs no network.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the links and the anchors of an element."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif (name == "id" or (name == "name" and tag == "a")) and value:
                self.anchors.add(value)


def broken_links(site: Path) -> list[str]:
    """Return a line for every link of a site that leads nowhere."""
    paths = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]  # a theme's own
    pages = {path.resolve(): Page(path) for path in paths}
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            anchor = unquote(parts.fragment)
            if not target.is_file():
                found.append(f"{path.relative_to(site.resolve())}: {link} is not there")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                found.append(f"{path.relative_to(site.resolve())}: {link} has no such anchor")
    return found


def main() -> int:
    """Check the site that is named; the status is 1 where a link is broken."""
    if len(sys.argv) != 2 or not Path(sys.argv[1], "index.html").is_file():
        print("usage: python tools/check_links.py FOLDER, which has an index.html", file=sys.stderr)
        return 2
    found = broken_links(Path(sys.argv[1]))
    for line in dict.fromkeys(found):
        print(line, file=sys.stderr)
    print(f"{len(list(Path(sys.argv[1]).rglob('*.html')))} pages, {len(found)} broken links")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
