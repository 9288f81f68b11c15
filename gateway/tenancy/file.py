"""Reads the tenants file: a tenant's text that was read before is not read again, so that reloads of many are quick."""

import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
import yaml12
from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigurationError
from gateway.tenancy.policies import TenantPolicy, Tenants, inconsistency

LIST = re.compile(r"tenants:[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*( *)- ")
NEXT_KEY = re.compile(r"^[^\s#-]", re.MULTILINE)
FIELD = re.compile(r"^[ -]*\w+:(?=\s)", re.MULTILINE)
PLAIN, NULLS = (None, ""), ("", "~", "null")

Part = TypeVar("Part", bound=BaseModel)


class Layout(NamedTuple):
    """The text of a file whose tenants are items of a list in block style.

    Attributes:
        before: Up to the first item.
        items: A tenant each.
        after: What follows the list.
        indent: Spaces before each item.
    """

    before: str
    items: Sequence[str]
    after: str
    indent: str


class Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc] # libyaml, where PyYAML has it
    """Takes every scalar as the text that stands there, so that `1e10` is a key's id; models say what is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Takes a mapping in which no key stands twice."""
        names = [str(key.value) for key, _ in node.value]
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise yaml.constructor.ConstructorError(None, None, f"'{repeated}' stands twice", node.start_mark)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        """Takes a text, or nothing."""
        return None if node.value in NULLS and node.style in PLAIN else super().construct_scalar(node)


class TenantsFile:
    """The tenants file, as one process sees it.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: Mapping[str, TenantPolicy] = {}

    def read(self) -> Tenants:
        """Reads the file; policies whose text is as before are the same objects as before.

        Raises:
            ConfigurationError: The file is missing or not valid; the message names the place.
        """
        try:
            return self.parse(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"cannot read {self.path}: {one_line(error)}") from error

    def parse(self, text: str) -> Tenants:
        """Reads the text of a file.

        Raises:
            ConfigurationError: It is not valid.
        """
        try:
            layout = lay_out(text, self._known)
            tenants = self._read_items(layout.items) if layout else None
            if layout is None or tenants is None:
                read = self._valid(Tenants, yaml.load(text, Loader))  # noqa: S506 - it makes nothing but texts
            else:
                head = self._valid(Tenants, yaml.load(layout.before + layout.after, Loader))  # noqa: S506 - as above
                read = Tenants.model_construct(issuers=head.issuers, tenants=tenants)
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise ConfigurationError(f"cannot read {self.path}: {one_line(error)}") from error
        if fault := inconsistency(read.issuers, read.tenants):
            raise ConfigurationError(f"{self.path}: {fault}")
        return read

    def _read_items(self, items: Sequence[str]) -> tuple[TenantPolicy, ...] | None:
        """Reads tenants; returns None where one does not stand for itself, an alias say."""
        known = dict[str, TenantPolicy]()
        for index, item in enumerate(items):
            policy = self._known.get(item)
            if policy is None:
                policy = read_quickly(item)
            if policy is None:
                try:
                    content = yaml.load(item, Loader)  # noqa: S506 - it makes nothing but texts
                except yaml.YAMLError:
                    return None
                if not isinstance(content, list) or len(content) != 1:
                    return None
                policy = self._valid(TenantPolicy, content[0], f"tenants.{index}")
            known[item] = policy
        if len(known) < len(items):  # two are the same: their names will tell
            return None
        self._known = known
        return tuple(known.values())

    def _valid(self, kind: type[Part], content: Any, place: str = "") -> Part:
        """Checks a part of the file.

        Raises:
            ConfigurationError: It is not valid.
        """
        try:
            return kind.model_validate({} if content is None else content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(filter(None, (place, *map(str, first["loc"])))) or "the file"
            raise ConfigurationError(f"{self.path}: {where}: {first['msg']}") from error


def read_quickly(item: str) -> TenantPolicy | None:
    """Reads the text of a tenant in a seventh of the time; None where PyYAML has to look at it.

    That is where a key stands twice, which `yaml12` takes, or a text looks like a number, which loses its text.
    """
    try:
        content: Any = yaml12.parse_yaml(item)
        if len(content) == 1 and count_keys(content) == len(FIELD.findall(item)):
            return TenantPolicy.model_validate(content[0])
    except (ValueError, TypeError):  # of the first, what is not valid is one
        pass
    return None


def count_keys(content: Any) -> int:
    """Returns how many keys all mappings within some content have."""
    if isinstance(content, dict):
        return len(content) + sum(map(count_keys, content.values()))
    return sum(map(count_keys, content)) if isinstance(content, list) else 0


def lay_out(text: str, known: Container[str] = ()) -> Layout | None:
    """Takes the text of a file apart; None where its tenants are not a list in block style.

    Args:
        text: All of it.
        known: Items of earlier readings: nothing but a tenant is in them.
    """
    key = 0 if text.startswith("tenants:") else text.find("\ntenants:") + 1
    found = LIST.match(text, key)
    if found is None or text.find("\ntenants:", found.end()) >= 0:
        return None
    indent = found[1]
    start = found.end() - len(indent) - 2
    items, mark = list[str](), f"\n{indent}- "
    while start < len(text):
        end = text.find(mark, start) + 1 or len(text)
        item = text[start:end]
        following = None if item in known else NEXT_KEY.search(item)
        if following is not None:
            end = start + following.start()
            return Layout(text[: found.end() - len(indent) - 2], [*items, text[start:end]], text[end:], indent)
        items.append(item)
        start = end
    return Layout(text[: found.end() - len(indent) - 2], items, "", indent)


def one_line(error: Exception) -> str:
    """Returns an error's text without line breaks."""
    return re.sub(r"\s+", " ", str(error))
