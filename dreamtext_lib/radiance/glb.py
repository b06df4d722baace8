"""A coloured surface as a GLB, the binary form of glTF 2.0 (specification of the Khronos group, sections 3 and 4.4).

Written out here because a viewer is only as right as the file: without a material a surface counts as all metal and
looks black, and eight bits are too few for dark colours once they are linear, as glTF wants those of vertices.
"""

import json
import struct

import numpy as np
from numpy.typing import NDArray

FLOAT, SHORT, INT = 5126, 5123, 5125  # component types: float32, unsigned 16 and 32 bits
VERTICES, INDICES = 34962, 34963  # what a view of the buffer is for
MATTE = {"name": "matte", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}


def linear(colours: NDArray) -> NDArray:
    """sRGB colours in 0..1, as screens and pictures have them, as linear light in 0..1 (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def glb(vertices: NDArray, faces: NDArray, normals: NDArray, colours: NDArray) -> bytes:
    """The file of a mesh whose surface reflects its colours in all directions alike.

    vertices (V, 3) with y up, faces (F, 3), normals (V, 3) of length 1, colours (V, 3) as sRGB in 0..1. Raises
    ValueError for another shape, or for values that are not finite.
    """
    count = len(vertices)
    for name, value in {"vertices": vertices, "normals": normals, "colours": colours}.items():
        if value.shape != (count, 3) or not np.isfinite(value).all():
            raise ValueError(f"{name} are {value.shape} numbers; they must be ({count}, 3), all finite")
    light = np.concatenate([linear(np.clip(colours, 0, 1)), np.ones((count, 1))], 1)  # (V, 4), opaque
    parts = (
        (np.ascontiguousarray(faces, "<u4").reshape(-1), INT, "SCALAR", INDICES),  # (F * 3,)
        (np.ascontiguousarray(vertices, "<f4"), FLOAT, "VEC3", VERTICES),
        (np.ascontiguousarray(normals, "<f4"), FLOAT, "VEC3", VERTICES),
        (np.rint(light * 65535).astype("<u2"), SHORT, "VEC4", VERTICES),
    )
    views, accessors, data = [], [], b""
    for i, (values, component, form, target) in enumerate(parts):
        raw = values.tobytes()  # a multiple of four bytes, as the format wants
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": len(raw), "target": target})
        accessors.append({"bufferView": i, "componentType": component, "count": len(values), "type": form})
        data += raw
    accessors[1] |= {"min": parts[1][0].min(0).tolist(), "max": parts[1][0].max(0).tolist()}
    accessors[3]["normalized"] = True
    surface = {"attributes": {"POSITION": 1, "NORMAL": 2, "COLOR_0": 3}, "indices": 0, "material": 0}
    tree = {
        "asset": {"version": "2.0", "generator": "dreamtext"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "object"}],
        "meshes": [{"primitives": [surface]}],
        "materials": [MATTE],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
    }
    text = json.dumps(tree, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    length = 12 + 8 + len(text) + 8 + len(data)
    head = struct.pack("<4sII", b"glTF", 2, length) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(data), b"BIN\0") + data
