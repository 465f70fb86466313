"""The documentation is true where a machine can tell: links, paths, commands, variables, code, generated pages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import error_reference
import pytest
import typer

from amanah.cli import app

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
CODE = "\n".join(
    path.read_text("utf-8")
    for path in [*ROOT.glob("*.py"), *(p for f in ROOT.glob("*/__init__.py") for p in f.parent.rglob("*.py"))]
    if ".venv" not in path.parts
)
QUICKSTART = ROOT / "examples" / "quickstart" / "protected.py"

every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def fences(text):
    """Language and content of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text):
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """The anchors that a reader's browser gets from the headings."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def spans(text):
    """Everything that is set as code: inline, and each line of a block that is no program."""
    yield from re.findall(r"`([^`\n]+)`", prose(text))
    for language, block in fences(text):
        if language in {"", "sh"}:
            yield from block.splitlines()


@every_page
def test_every_link_inside_the_repository_leads_somewhere(page):
    """A file and, where one is named, a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text("utf-8")), target


WRITTEN_BY_INIT = "protection.py"


@every_page
def test_every_path_that_is_named_exists(page):
    """`encryption/envelope.py` and its like; what a reader makes (`.demo/`) and web addresses are something else."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for span in spans(page.read_text("utf-8")):
        for word in re.findall(r"(?<![\w/.:-])[a-z_]+/[\w./-]*", span):
            if word.split("/")[0] in folders:
                assert (ROOT / word).exists(), word
        for word in re.findall(r"(?<![\w/.-])[a-z_]+\.(?:py|toml)(?![\w/])", span):
            assert word == WRITTEN_BY_INIT or (ROOT / word).exists() or any(ROOT.glob(f"*/{word}")), word


def command_lines(text):
    """The words after ``amanah`` wherever the command is written down."""
    for span in spans(text):
        for line in re.findall(r"(?<!from )(?:^|(?<=[\s/]))amanah((?: +[^#→`]+)?)", span):
            words = line.split()
            if words and re.fullmatch(r"[a-z]+|--[a-z-]+|\[--guard", words[0]) and words[0] != "command":
                yield words


def resolve(words):
    """The command that ``words`` call. Fails where there is no such command or option."""
    command, value_follows = typer.main.get_command(app), False
    known = {name: option for option in command.params for name in option.opts}
    for word in words:
        option = word.strip("[]").partition("=")[0]
        if value_follows:
            value_follows = False
        elif option.startswith("--"):
            assert option in known or option == "--help", f"{option} in {' '.join(words)}"
            value_follows = option in known and not getattr(known[option], "is_flag", False)
        elif isinstance(command, click.Group) or hasattr(command, "commands"):
            if not re.fullmatch(r"[a-z]+", word):
                break  # COMMAND …
            assert word in command.commands, f"{word} in {' '.join(words)}"
            command = command.commands[word]
            known |= {name: option for option in command.params for name in option.opts}
    return command


@every_page
def test_every_command_that_is_named_exists_with_its_options(page):
    """Whoever copies a line from a page gets no usage message."""
    for words in command_lines(page.read_text("utf-8")):
        resolve(words)


def test_the_reference_of_the_command_leaves_none_out():
    """Each command of the program stands in docs/reference/cli.md."""
    text = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        for full in [f"{name} {sub}" for sub in getattr(command, "commands", {})] or [name]:
            assert f"amanah {full}" in text, full


def test_a_command_that_does_not_exist_is_noticed():
    """The checks above are not empty."""
    with pytest.raises(AssertionError):
        resolve(["audit", "forget"])
    with pytest.raises(AssertionError):
        resolve(["audit", "verify", "--quietly"])
    assert ["audit", "verify"] in list(command_lines((ROOT / "README.md").read_text("utf-8")))


@every_page
def test_every_variable_of_ours_that_is_named_is_read(page):
    """A variable of the environment that nobody reads would be a promise that nobody keeps."""
    for name in set(re.findall(r"\bAMANAH_[A-Z_]+\b", page.read_text("utf-8"))):
        assert name in CODE, name


@every_page
def test_every_target_of_make_that_is_named_exists(page):
    """As it is written in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for span in spans(page.read_text("utf-8")):
        for name in re.findall(r"(?:^|\s)make ([a-z]+)", span):
            assert name in targets, name


@every_page
def test_every_program_on_a_page_compiles(page):
    """Python, TOML and nothing that only looks like it."""
    for language, block in fences(page.read_text("utf-8")):
        if language == "python":
            compile(block, str(page), "exec")
        elif language == "toml":
            tomllib.loads(block)


def test_the_quickstart_in_the_readme_is_the_tested_file():
    """Verbatim, below a line that names it, and at most 30 lines."""
    name = str(QUICKSTART.relative_to(ROOT))
    source = QUICKSTART.read_text("utf-8")
    assert len(source.splitlines()) <= 30
    for page in ("README.md", "docs/tutorial/first-protected-app.md"):
        blocks = [block for language, block in fences((ROOT / page).read_text("utf-8")) if language == "python"]
        shown = next(block for block in blocks if block.startswith(f"# {name}\n"))
        assert source in (shown, shown.removeprefix(f"# {name}\n")), page


def test_the_reference_of_errors_is_in_step():
    """`python tools/error_reference.py` would change nothing."""
    assert error_reference.PAGE.read_text("utf-8") == error_reference.page()


@pytest.mark.parametrize("template", ["trading", "clinic", "blank"])
def test_the_policy_page_names_what_a_template_brings(template):
    """Every role and every purpose's alias, on the template's line."""
    page = (ROOT / "docs" / "reference" / "policy-model.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith(f"| `{template}` |"))
    content = tomllib.loads((ROOT / "access_policies" / "templates" / f"{template}.toml").read_text("utf-8"))
    for name in [*content["role"], *(one["alias"] for one in content["purpose"].values())]:
        assert name in line, name


def test_the_envelope_page_gives_the_lengths_of_the_code():
    """The bytes of the format, where somebody would write a second reader from the page."""
    from amanah.encryption.envelope import FORMAT, HEADER_SIZE, NONCE_END, OVERHEAD

    page = (ROOT / "docs" / "reference" / "envelope.md").read_text("utf-8")
    assert f"`0x{FORMAT:02x}`" in page
    assert f"{OVERHEAD} bytes longer than its plaintext" in page
    assert f"first {HEADER_SIZE} bytes are the *header*" in page
    assert f"| {NONCE_END} | n | ciphertext" in page


def test_the_entry_page_names_every_field():
    """Of an entry and of its parts, no more and no less."""
    from amanah.audit.entries import Entry, What

    page = (ROOT / "docs" / "reference" / "entry.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE)) >= {*Entry.__dataclass_fields__}
    section = page.partition("## `what`")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == {*What.__dataclass_fields__}


def test_every_page_is_in_the_index():
    """Nobody has to search the folder."""
    for index, folder in (("docs/README.md", "docs"), ("docs/decisions/README.md", "docs/decisions")):
        text = (ROOT / index).read_text("utf-8")
        for page in sorted((ROOT / folder).rglob("*.md")):
            name = page.relative_to((ROOT / index).parent).as_posix()
            if name == "README.md" or (folder == "docs" and name.startswith(("decisions/0", "reference/doctor/"))):
                continue  # these have an index of their own
            assert f"({name})" in text, name
