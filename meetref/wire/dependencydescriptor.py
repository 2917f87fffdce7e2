"""The dependency descriptor: a header extension that tells of a frame what a forwarder must know, of any codec.

Stands above `wire/bits`. The first packet of a keyframe carries a `Structure` of templates, later ones name a template,
so `parse` and `serialize` take the structure that is in force: whoever reads a stream holds it, and takes the newer one
from `Descriptor.structure`. `frame_of` puts template and exceptions together.
Specification: RTP Payload Format For AV1, v1.0.0, appendix A.
Leaves out: following chains and choosing decode targets, which are for whoever forwards layers.
Read next: `wire/av1.py`, the payload behind it. Both are the stem av1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from meetref.wire.bits import BitReader, BitWriter
from meetref.wire.reader import Malformed
from meetref.wire.rtp import Octets

#  |S|E| template  |         frame number          |        always
#  |T|A|D|F|C| ...                                          when there is more than three octets: which parts follow
URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
SMALLEST = 3
TEMPLATE_IDS = 64
MOST_TARGETS = 32
SAME_LAYER, NEXT_TEMPORAL, NEXT_SPATIAL, NO_MORE = 0, 1, 2, 3

NOT_PRESENT, DISCARDABLE, SWITCH, REQUIRED = 0, 1, 2, 3
"""What a frame is to a decode target: nothing; not referred to; decodable from here on; needed."""


class StructureMissing(Malformed):
    """The structure that a descriptor refers to is not known: its packet was lost or comes later, or none was sent."""


@dataclass(slots=True)
class Template:
    """What many frames have in common: layers; of each decode target an indication; differences of frame numbers.

    `frame_differences` (1 to 16) lead to the frames that are referred to, `chain_differences` (0 to 15) to the former
    frame of each chain, where 0 means that the chain begins.
    """

    spatial_layer: int = 0
    temporal_layer: int = 0
    indications: list[int] = field(default_factory=list)
    frame_differences: list[int] = field(default_factory=list)
    chain_differences: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Structure:
    """The templates of a coded video sequence, of which the first has the id `first_id`.

    `protected_by` has the chain of each decode target, or nothing where there are no chains. `resolutions` are width
    and height in pixels of each spatial layer, from the lowest.
    """

    first_id: int = 0
    targets: int = 1
    templates: list[Template] = field(default_factory=list)
    chains: int = 0
    protected_by: list[int] = field(default_factory=list)
    resolutions: list[tuple[int, int]] | None = None

    @property
    def target_layers(self) -> list[tuple[int, int]]:
        """The highest spatial and temporal layer of each decode target."""
        layers = []
        for target in range(self.targets):
            inside = [each for each in self.templates if each.indications[target] != NOT_PRESENT]
            spatial = max((each.spatial_layer for each in inside), default=0)
            layers.append((spatial, max((each.temporal_layer for each in inside), default=0)))
        return layers

    @property
    def all_active(self) -> int:
        """The bits of all decode targets."""
        return (1 << self.targets) - 1


@dataclass(slots=True)
class Descriptor:
    """The descriptor of one packet. `start` and `end` are those of a frame, of which a picture has one a spatial layer.

    `active_targets` has bit i for decode target i; None where nothing is said: a new structure activates all, otherwise
    what was said last holds. What is None of the last three is the template's.
    """

    template_id: int
    frame_number: int
    start: bool = False
    end: bool = False
    structure: Structure | None = None
    active_targets: int | None = None
    indications: list[int] | None = None
    frame_differences: list[int] | None = None
    chain_differences: list[int] | None = None


class Frame(NamedTuple):
    """What a descriptor says of its frame, exceptions put in."""

    spatial_layer: int
    temporal_layer: int
    indications: list[int]
    frame_differences: list[int]
    chain_differences: list[int]
    resolution: tuple[int, int] | None


def parse(data: Octets, structure: Structure | None) -> Descriptor:
    """Read the value of the extension. Raises `Malformed`; `StructureMissing` where the structure does not fit."""
    if len(data) < SMALLEST:  # spec: av1/mandatory-fields
        raise Malformed(f"dependency descriptor of {len(data)} octets", len(data))
    bits = BitReader(data)
    start, end = bits.flag(), bits.flag()
    read = Descriptor(bits.read(6), bits.read(16), start, end)
    custom = [False, False, False]
    if len(data) > SMALLEST:  # spec: av1/extended-fields
        has_structure, has_active, *custom = (bits.flag() for _ in range(5))
        if has_structure:
            structure = read.structure = _read_structure(bits)
        if structure is None:  # spec: av1/structure-from-before
            raise StructureMissing("dependency descriptor before its structure")
        if has_active:  # spec: av1/active-targets
            read.active_targets = bits.read(structure.targets)
    template = template_of(read, structure)
    if custom[0]:
        read.indications = [bits.read(2) for _ in template.indications]
    if custom[1]:
        read.frame_differences = _read_custom_differences(bits)
    if custom[2]:
        read.chain_differences = [bits.read(8) for _ in template.chain_differences]
    return read  # spec: av1/zero-padding-ignored


def template_of(descriptor: Descriptor, structure: Structure | None) -> Template:
    """The template that a descriptor names. Raises `StructureMissing`."""
    index = (descriptor.template_id - structure.first_id) % TEMPLATE_IDS if structure is not None else 0
    if structure is None or index >= len(structure.templates):  # spec: av1/template-known
        raise StructureMissing(f"no template {descriptor.template_id} is known")
    return structure.templates[index]


def frame_of(descriptor: Descriptor, structure: Structure) -> Frame:
    """Template and exceptions put together. Raises `StructureMissing`."""
    template = template_of(descriptor, structure)
    sizes, layer = structure.resolutions, template.spatial_layer
    d = descriptor
    return Frame(
        layer,
        template.temporal_layer,
        template.indications if d.indications is None else d.indications,
        template.frame_differences if d.frame_differences is None else d.frame_differences,
        template.chain_differences if d.chain_differences is None else d.chain_differences,
        sizes[layer] if sizes is not None else None,
    )


def begins_sequence(data: Octets) -> bool:
    """Whether the packet is the first of a coded video sequence, and so of a keyframe. Never raises."""
    return len(data) > SMALLEST and data[0] >= 0x80 and data[3] >= 0x80  # spec: av1/structure-at-sequence-start


def _read_structure(bits: BitReader) -> Structure:
    structure = Structure(bits.read(6), bits.read(5) + 1)
    spatial = temporal = 0
    while True:
        structure.templates.append(Template(spatial, temporal))
        step = bits.read(2, "layer of the next template")  # spec: av1/template-layers
        if step == NO_MORE:
            break
        if len(structure.templates) == TEMPLATE_IDS:
            raise Malformed(f"dependency structure with more than {TEMPLATE_IDS} templates")
        if step == NEXT_TEMPORAL:
            temporal += 1
        elif step == NEXT_SPATIAL:
            spatial, temporal = spatial + 1, 0
    for template in structure.templates:
        template.indications = [bits.read(2) for _ in range(structure.targets)]
    for template in structure.templates:
        while bits.flag():
            template.frame_differences.append(bits.read(4) + 1)
    structure.chains = bits.non_symmetric(structure.targets + 1)  # spec: av1/chains
    if structure.chains:
        structure.protected_by = [bits.non_symmetric(structure.chains) for _ in range(structure.targets)]
        for template in structure.templates:
            template.chain_differences = [bits.read(4) for _ in range(structure.chains)]
    if bits.flag():  # spec: av1/resolutions
        structure.resolutions = [(bits.read(16) + 1, bits.read(16) + 1) for _ in range(spatial + 1)]
    return structure


def _read_custom_differences(bits: BitReader) -> list[int]:
    found = []
    while width := 4 * bits.read(2):
        found.append(bits.read(width) + 1)
    return found


def serialize(descriptor: Descriptor, structure: Structure | None) -> bytes:
    """The value of the extension, as few octets as it needs. Raises `Malformed` for what does not fit."""
    d, bits = descriptor, BitWriter()
    bits.write(d.start, 1)
    bits.write(d.end, 1)
    bits.write(d.template_id, 6, "template")
    bits.write(d.frame_number, 16, "frame number")
    structure = structure if d.structure is None else d.structure
    template = template_of(d, structure)
    parts = (d.structure, d.active_targets, d.indications, d.frame_differences, d.chain_differences)
    if any(part is not None for part in parts):
        for part in parts:
            bits.write(part is not None, 1)
    if d.structure is not None:
        _write_structure(bits, d.structure)
    if d.active_targets is not None and structure is not None:
        bits.write(d.active_targets, structure.targets, "active decode targets")
    if d.indications is not None:
        _write_all(bits, d.indications, len(template.indications), 2)
    for difference in d.frame_differences or ():
        size = max(1, -(-(difference - 1).bit_length() // 4))
        bits.write(size, 2, "size of a frame difference")
        bits.write(difference - 1, 4 * size, "frame difference")
    if d.frame_differences is not None:
        bits.write(0, 2)
    if d.chain_differences is not None:
        _write_all(bits, d.chain_differences, len(template.chain_differences), 8)
    return bits.octets()


def _write_all(bits: BitWriter, values: list[int], count: int, width: int) -> None:
    if len(values) != count:
        raise Malformed(f"{len(values)} values where the dependency structure has {count}")
    for value in values:
        bits.write(value, width)


def _write_structure(bits: BitWriter, structure: Structure) -> None:
    s = structure
    if not 0 < len(s.templates) <= TEMPLATE_IDS or not 0 < s.targets <= MOST_TARGETS:
        raise Malformed(f"dependency structure of {len(s.templates)} templates and {s.targets} decode targets")
    bits.write(s.first_id, 6, "first template")
    bits.write(s.targets - 1, 5)
    _write_layers(bits, [(each.spatial_layer, each.temporal_layer) for each in s.templates])
    for template in s.templates:
        _write_all(bits, template.indications, s.targets, 2)
    for template in s.templates:
        for difference in template.frame_differences:
            bits.write(1, 1)
            bits.write(difference - 1, 4, "frame difference")
        bits.write(0, 1)
    bits.write_non_symmetric(s.chains, s.targets + 1, "number of chains")
    if len(s.protected_by) != (s.targets if s.chains else 0):  # spec: av1/every-target-has-a-chain
        raise Malformed("every decode target has a chain, where there are any")
    for chain in s.protected_by:
        bits.write_non_symmetric(chain, s.chains, "chain")
    for template in s.templates:
        _write_all(bits, template.chain_differences, s.chains, 4)
    bits.write(s.resolutions is not None, 1)
    if s.resolutions is not None:
        if len(s.resolutions) != s.templates[-1].spatial_layer + 1:
            raise Malformed("each spatial layer has its resolution, or none")
        for pixels in (pixels for size in s.resolutions for pixels in size):
            bits.write(pixels - 1, 16, "resolution")


def _write_layers(bits: BitWriter, layers: list[tuple[int, int]]) -> None:
    if layers[0] != (0, 0):
        raise Malformed("the first template is of the lowest layers")
    for (spatial, temporal), following in pairwise(layers):
        steps = {
            (spatial, temporal): SAME_LAYER,
            (spatial, temporal + 1): NEXT_TEMPORAL,
            (spatial + 1, 0): NEXT_SPATIAL,
        }
        if following not in steps:
            raise Malformed(f"no template of layers {following} follows one of {(spatial, temporal)}")
        bits.write(steps[following], 2)
    bits.write(NO_MORE, 2)
