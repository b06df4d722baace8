/* A coloured surface as a GLB, the binary form of glTF 2.0: what the library's `radiance/glb.py` writes. */
function glbModule() {
  "use strict";
  const FLOAT = 5126, SHORT = 5123, INT = 5125, VERTICES = 34962, INDICES = 34963;

  /* A colour of the screen in 0..1 (sRGB) as linear light. */
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);

  /* Our x, y, z (front, left, up) are z, x, y of glTF. */
  const turned = (v) => [v[1], v[2], v[0]];

  /* vertices, normals, colours: lists of three numbers, z up, colours of the screen in 0..1; faces: lists of three. */
  function glb({ vertices, normals, colours, faces }) {
    const position = vertices.map(turned), light = (c) => [...c.map((v) => Math.round(65535 * linear(v))), 65535];
    const least = [0, 1, 2].map((i) => position.reduce((m, v) => Math.min(m, Math.fround(v[i])), Infinity));
    const most = [0, 1, 2].map((i) => position.reduce((m, v) => Math.max(m, Math.fround(v[i])), -Infinity));
    const parts = [
      [Uint32Array.from(faces.flat()), INT, "SCALAR", INDICES, {}],
      [Float32Array.from(position.flat()), FLOAT, "VEC3", VERTICES, { min: least, max: most }],
      [Float32Array.from(normals.map(turned).flat()), FLOAT, "VEC3", VERTICES, {}],
      [Uint16Array.from(colours.map(light).flat()), SHORT, "VEC4", VERTICES, { normalized: true }],
    ];
    const width = { SCALAR: 1, VEC3: 3, VEC4: 4 }, bufferViews = [], accessors = [];
    let size = 0;
    parts.forEach(([data, componentType, type, target, more], i) => {
      bufferViews.push({ buffer: 0, byteOffset: size, byteLength: data.byteLength, target });
      accessors.push({ bufferView: i, componentType, count: data.length / width[type], type, ...more });
      size += data.byteLength; /* a multiple of four, as the format wants */
    });
    const tree = {
      asset: { version: "2.0", generator: "dreamtext" },
      scene: 0,
      scenes: [{ nodes: [0] }],
      nodes: [{ mesh: 0, name: "object" }],
      meshes: [{ primitives: [{ attributes: { POSITION: 1, NORMAL: 2, COLOR_0: 3 }, indices: 0, material: 0 }] }],
      materials: [{ name: "matte", pbrMetallicRoughness: { metallicFactor: 0, roughnessFactor: 1 } }],
      accessors,
      bufferViews,
      buffers: [{ byteLength: size }],
    };
    let text = JSON.stringify(tree);
    text += " ".repeat((4 - (text.length % 4)) % 4);
    const head = (...words) => Uint32Array.from(words);
    const json = new TextEncoder().encode(text);
    return [
      head(0x46546c67, 2, 28 + json.length + size), /* "glTF", version, bytes of all */
      head(json.length, 0x4e4f534a), /* "JSON" */
      json,
      head(size, 0x004e4942), /* "BIN" */
      ...parts.map(([data]) => data),
    ];
  }

  return { glb };
}
