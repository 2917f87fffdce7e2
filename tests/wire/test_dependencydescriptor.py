"""Dependency descriptors: what is written is read back by whoever holds the structure; only `Malformed` is raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import dependencydescriptor as dd
from meetref.wire.reader import Malformed


@st.composite
def structures(draw: st.DrawFn) -> dd.Structure:
    targets = draw(st.integers(1, 9))
    chains = draw(st.integers(0, targets))
    spatial = temporal = 0
    templates = list[dd.Template]()
    for step in [0, *draw(st.lists(st.integers(0, 2), max_size=8))]:
        temporal = {0: temporal, 1: temporal + 1, 2: 0}[step]
        spatial += step == 2
        templates.append(
            dd.Template(
                spatial,
                temporal,
                draw(st.lists(st.integers(0, 3), min_size=targets, max_size=targets)),
                draw(st.lists(st.integers(1, 16), max_size=4)),
                draw(st.lists(st.integers(0, 15), min_size=chains, max_size=chains)),
            )
        )
    pixels = st.tuples(st.integers(1, 65536), st.integers(1, 65536))
    protected = st.lists(st.integers(0, max(chains - 1, 0)), min_size=targets, max_size=targets)
    return dd.Structure(
        draw(st.integers(0, 63)),
        targets,
        templates,
        chains,
        draw(protected) if chains else [],
        draw(st.none() | st.lists(pixels, min_size=spatial + 1, max_size=spatial + 1)),
    )


@st.composite
def descriptors(draw: st.DrawFn) -> tuple[dd.Descriptor, dd.Structure]:
    structure = draw(structures())
    template = draw(st.integers(0, len(structure.templates) - 1))
    targets, chains = structure.targets, structure.chains
    descriptor = dd.Descriptor(
        (structure.first_id + template) % 64,
        draw(st.integers(0, 65535)),
        draw(st.booleans()),
        draw(st.booleans()),
        structure if draw(st.booleans()) else None,
        draw(st.none() | st.integers(0, structure.all_active)),
        draw(st.none() | st.lists(st.integers(0, 3), min_size=targets, max_size=targets)),
        draw(st.none() | st.lists(st.integers(1, 4096), max_size=4)),
        draw(st.none() | st.lists(st.integers(0, 255), min_size=chains, max_size=chains)),
    )
    return descriptor, structure


@given(descriptors(), st.binary(max_size=3))
def test_round_trip(case: tuple[dd.Descriptor, dd.Structure], padding: bytes) -> None:
    descriptor, structure = case
    held = None if descriptor.structure is not None else structure
    octets = dd.serialize(descriptor, held)
    assert dd.parse(octets, held) == descriptor
    if len(octets) > dd.SMALLEST:
        assert dd.parse(octets + bytes(len(padding)), held) == descriptor


@given(descriptors())
def test_a_frame_is_its_template_with_its_exceptions(case: tuple[dd.Descriptor, dd.Structure]) -> None:
    descriptor, structure = case
    template = dd.template_of(descriptor, structure)
    frame = dd.frame_of(descriptor, structure)
    assert (frame.spatial_layer, frame.temporal_layer) == (template.spatial_layer, template.temporal_layer)
    for name in ("indications", "frame_differences", "chain_differences"):
        own = getattr(descriptor, name)
        assert getattr(frame, name) == (getattr(template, name) if own is None else own)
    if structure.resolutions is not None:
        assert frame.resolution == structure.resolutions[template.spatial_layer]


@given(descriptors(), st.integers(0, 60))
def test_a_descriptor_cut_short_is_malformed(case: tuple[dd.Descriptor, dd.Structure], size: int) -> None:
    octets = dd.serialize(*case)
    if dd.SMALLEST < size < len(octets) or size < dd.SMALLEST:
        with pytest.raises(Malformed):
            dd.parse(octets[:size], None)


@given(st.binary(max_size=80), st.none() | structures())
def test_any_octets_are_a_descriptor_or_malformed(data: bytes, structure: dd.Structure | None) -> None:
    try:
        read = dd.parse(data, structure)
    except Malformed:
        return
    assert dd.begins_sequence(data) == (read.structure is not None and read.start)
    held = structure if read.structure is None else read.structure
    assert held is not None
    assert len(held.target_layers) == held.targets
    dd.frame_of(read, held)


@pytest.mark.spec("av1/structure-from-before", "av1/template-known")
def test_a_descriptor_without_its_structure_says_so() -> None:
    structure = dd.Structure(5, 1, [dd.Template(0, 0, [2]), dd.Template(0, 1, [1], [1])])
    short = dd.serialize(dd.Descriptor(6, 1), structure)
    assert dd.parse(short, structure).template_id == 6
    longer = dd.serialize(dd.Descriptor(6, 1, active_targets=1), structure)
    for octets in (short, longer):
        with pytest.raises(dd.StructureMissing):
            dd.parse(octets, None)
    with pytest.raises(dd.StructureMissing):
        dd.parse(short, dd.Structure(5, 1, structure.templates[:1]))
    with pytest.raises(dd.StructureMissing):
        dd.serialize(dd.Descriptor(7, 1), structure)


@pytest.mark.spec("av1/template-layers")
def test_more_templates_than_ids_are_malformed() -> None:
    head = bytes.fromhex("000001") + b"\x80"
    with pytest.raises(Malformed):
        dd.parse(head + bytes(40), None)  # the next template is always in the same layer


def whole(**changes: object) -> dd.Structure:
    structure = dd.Structure(0, 2, [dd.Template(0, 0, [2, 2], [], [0])], 1, [0, 0])
    for name, value in changes.items():
        setattr(structure, name, value)
    return structure


@pytest.mark.spec("av1/every-target-has-a-chain")
@pytest.mark.parametrize(
    "structure",
    [
        whole(targets=3),
        whole(targets=33),
        whole(templates=[]),
        whole(first_id=64),
        whole(protected_by=[0]),
        whole(protected_by=[0, 1]),
        whole(chains=3),
        whole(resolutions=[]),
        whole(resolutions=[(0, 1)]),
        whole(templates=[dd.Template(1, 0, [2, 2], [], [0])]),
        whole(templates=[dd.Template(0, 0, [2, 2], [], [0]), dd.Template(1, 1, [2, 2], [], [0])]),
        whole(templates=[dd.Template(0, 0, [2, 2], [17], [0])]),
        whole(templates=[dd.Template(0, 0, [2, 4], [], [0])]),
        whole(templates=[dd.Template(0, 0, [2, 2], [], [16])]),
    ],
)
def test_a_structure_that_does_not_fit_is_not_written(structure: dd.Structure) -> None:
    with pytest.raises(Malformed):
        dd.serialize(dd.Descriptor(structure.first_id, 0, structure=structure), None)


@pytest.mark.parametrize(
    "descriptor",
    [
        dd.Descriptor(0, 65536),
        dd.Descriptor(0, 0, active_targets=4),
        dd.Descriptor(0, 0, indications=[1]),
        dd.Descriptor(0, 0, frame_differences=[4097]),
        dd.Descriptor(0, 0, frame_differences=[0]),
        dd.Descriptor(0, 0, chain_differences=[256]),
    ],
)
def test_a_descriptor_that_does_not_fit_is_not_written(descriptor: dd.Descriptor) -> None:
    with pytest.raises(Malformed):
        dd.serialize(descriptor, whole())
