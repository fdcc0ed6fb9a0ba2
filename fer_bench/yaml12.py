"""YAML as DVC reads it: version 1.2, every key once, no number that another reader takes for a different one.

DVC hands ``params.yaml`` to ruamel.yaml, so we do too; a reader of YAML 1.1 takes ``5e-05`` for text, ``010`` for 8 and
``yes`` for true.
"""

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode

from fer_bench.errors import FerBenchError

_LEADING_ZERO = re.compile(r"[+-]?0[0-9_]+")


def load(text: str, *, where: str) -> object:
    """Parse a file's text into plain data.

    Args:
        text: YAML.
        where: The file's name, for errors.

    Raises:
        FerBenchError: With the line: if the text is not YAML, if a key stands twice (both lines are named), or a number
            begins with 0.
    """
    reader = YAML(typ="safe", pure=True)
    reader.Composer, reader.Constructor = _Composer, _Constructor
    try:
        return reader.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        said = " ".join(str(error.problem or error.context).split())
        fix = error.note if isinstance(error, _RefusedError) and error.note else "mend the line that the message names"
        raise FerBenchError(f"{where}{line}: not valid YAML: {said}", fix=fix) from None
    except YAMLError as error:  # a character that YAML does not have
        said = " ".join(str(error).split())
        raise FerBenchError(f"{where}: not valid YAML: {said}", fix="save it as UTF-8 text") from None
    except RecursionError:
        raise FerBenchError(f"{where}: not valid YAML: nested too deep", fix="mend its brackets") from None


def dump(data: object, *, width: int) -> str:
    """Write plain data as YAML, innermost lists and mappings on one line, keys in their order."""
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style, writer.width, writer.sort_base_mapping_type_on_output = None, width, False
    text = io.StringIO()
    writer.dump(data, text)
    return text.getvalue()


class _RefusedError(MarkedYAMLError):
    """What is YAML and may not stand in a file of ours; ``note`` is the way out."""


class _Composer(Composer):
    """Reads nodes, and refuses a key that its mapping has; one that a merge (``<<``) brings may be written over."""

    def compose_mapping_node(self, anchor: Any) -> Any:  # noqa: ANN401 - ruamel's
        node = super().compose_mapping_node(anchor)
        known: dict[tuple[str, str], ScalarNode] = {}
        for key in (key for key, _ in node.value if isinstance(key, ScalarNode)):
            first = known.setdefault((str(key.tag), key.value), key)
            if first is not key:
                raise _RefusedError(
                    None,
                    None,
                    f"the key {key.value} stands twice, first in line {first.start_mark.line + 1}",
                    key.start_mark,
                    "remove one of the two, or give one of them another key",
                )
        return node


class _Constructor(SafeConstructor):
    """Builds plain data, and says where it cannot."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - ruamel's
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # 2026-13-45, !!int abc, a number of 5,000 digits
            raise ConstructorError(None, None, str(error), node.start_mark) from None

    def construct_yaml_int(self, node: ScalarNode) -> int:
        if _LEADING_ZERO.fullmatch(node.value):
            number = int(node.value.replace("_", ""))
            raise _RefusedError(
                None,
                None,
                f"{node.value} is {number} for DVC and another number, or text, for other readers",
                node.start_mark,
                f"write {number} if it is a number, '{node.value}' with quotes if it is a name",
            )
        return int(super().construct_yaml_int(node))


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.construct_yaml_int)
