/* From a dream in latents to a thing with a surface. The field itself is fog where the decoder draws an outline, so the
   dream is decoded from many sides and the views vote on where anything is, as in the library (`distillation/ending.py`).
   The library then fits a field of colours to the views; here the surface of the vote is painted with them. */
function meshModule(field, surface) {
  "use strict";
  const RINGS = [[-5, 10], [20, 12], [45, 10], [75, 6]]; /* elevation in degrees, views around at it */
  const SIDE = 64, VOXELS = 64; /* pixels of a view, voxels of the block */
  const FAINT = 0.06, FIRM = 0.2; /* a pixel that differs less than this from its wall is air, more: object */
  const FOG = 0.15; /* an opacity of the field below which a pixel is air, whatever was decoded */
  const MOST = 0.7; /* share of the views that must show something */

  /* A view: {camera, alpha, pixels}. It is decoded before the darkest and the lightest wall; the one from which a pixel
     differs more gives its colour: a white bird is seen before the dark one. walls: the pictures of the two alone. */
  async function outline(angles, look, decode, walls) {
    const shown = [];
    let fog = null;
    for (const wall of [0, 1]) {
      const seen = look(angles, wall);
      fog = seen.opacity.slice();
      shown.push(await decode(seen.z));
    }
    const alpha = new Float32Array(SIDE * SIDE), pixels = [0, 1, 2].map(() => new Float32Array(SIDE * SIDE));
    const fine = Math.sqrt(fog.length);
    for (let i = 0; i < alpha.length; i++) {
      const planes = [i, i + SIDE * SIDE, i + 2 * SIDE * SIDE];
      const differs = shown.map((picture, k) => Math.max(...planes.map((at) => Math.abs(picture[at] - walls[k][at]))));
      const best = differs[1] > differs[0] ? 1 : 0;
      const scale = fine / SIDE, x = ((i % SIDE) + 0.5) * scale - 0.5, y = (Math.floor(i / SIDE) + 0.5) * scale - 0.5;
      const there = sample(fog, fine, x, y) > FOG ? 1 : 0;
      alpha[i] = there * Math.min(1, Math.max(0, (differs[best] - FAINT) / (FIRM - FAINT)));
      planes.forEach((at, c) => (pixels[c][i] = shown[best][at]));
    }
    return { camera: field.orbit(...angles), alpha, pixels };
  }

  /* A picture's value between its pixels; beyond its edge that of the edge. */
  function sample(picture, side, x, y) {
    const u = Math.min(Math.max(x, 0), side - 1), v = Math.min(Math.max(y, 0), side - 1);
    const i = Math.min(Math.floor(u), side - 2), j = Math.min(Math.floor(v), side - 2), a = u - i, b = v - j;
    const at = i + side * j;
    const upper = (1 - a) * picture[at] + a * picture[at + 1];
    return (1 - b) * upper + b * ((1 - a) * picture[at + side] + a * picture[at + side + 1]);
  }

  /* Where a camera sees a point: column and row of its picture. */
  function seenAt(camera, point) {
    const away = point.map((v, i) => v - camera.origin[i]);
    const dot = (axis) => axis[0] * away[0] + axis[1] * away[1] + axis[2] * away[2];
    const depth = -dot(camera.backward) * camera.slope;
    return [(1 + dot(camera.right) / depth) * (SIDE / 2) - 0.5, (1 - dot(camera.up) / depth) * (SIDE / 2) - 0.5];
  }

  /* The mean over the views of the alpha at which each voxel's middle is seen, x fastest. */
  function vote(views, bound) {
    const volume = new Float32Array(VOXELS ** 3), middle = (i) => ((2 * i + 1) / VOXELS - 1) * bound;
    for (const { camera, alpha } of views) {
      for (let i = 0; i < volume.length; i++) {
        const at = [i % VOXELS, Math.floor(i / VOXELS) % VOXELS, Math.floor(i / VOXELS ** 2)].map(middle);
        volume[i] += sample(alpha, SIDE, ...seenAt(camera, at)) / views.length;
      }
    }
    return volume;
  }

  /* The colour of a point of the surface: the mean over the views, those that look straight at it counting most, those
     from which something stands before it hardly. */
  function colour(point, normal, views, solid) {
    const sum = [0, 0, 0, 0];
    for (const { camera, alpha, pixels } of views) {
      const to = camera.origin.map((v, i) => v - point[i]), length = Math.hypot(...to);
      const facing = Math.max(0, to.reduce((all, v, i) => all + (v / length) * normal[i], 0));
      const at = seenAt(camera, point), hidden = facing > 0 && covered(point, to.map((v) => v / length), solid);
      const w = 1e-9 + facing ** 2 * (hidden ? 1e-4 : 1) * sample(alpha, SIDE, ...at) ** 2;
      pixels.forEach((plane, c) => (sum[c] += w * sample(plane, SIDE, ...at)));
      sum[3] += w;
    }
    return [0, 1, 2].map((c) => sum[c] / sum[3]);
  }

  /* Whether anything solid lies between a point of the surface and the camera. */
  function covered(point, towards, solid) {
    for (let t = 0.12; t < 1.5; t += 0.05) if (solid(point.map((v, i) => v + t * towards[i]))) return true;
    return false;
  }

  /* {vertices, normals, colours, faces} of a dream. look(angles, wall) renders it, decode turns latents into pictures,
     walls are the latents of the two walls; told hears the share that is done. Throws if there is nothing to see. */
  async function mesh({ look, decode, walls, bound, told }) {
    const rays = look([0, 0], 0).opacity.length, alone = [];
    for (const wall of walls) alone.push(await decode(Float32Array.from(wall.flatMap((v) => Array(rays).fill(v)))));
    const angles = RINGS.flatMap(([e, count]) => Array.from({ length: count }, (_, i) => [(360 * i) / count, e]));
    const views = [];
    for (const each of angles) {
      views.push(await outline(each, look, decode, alone));
      told(views.length / angles.length);
    }
    const volume = surface.tidy(vote(views, bound), VOXELS, MOST);
    const found = surface.surface(volume, VOXELS, MOST);
    if (found.faces.length === 0) {
      throw new Error("The dream is empty: no place shows anything in most of its views, so there is no surface.");
    }
    const vertices = found.vertices.map((v) => v.map((x) => ((2 * x + 1) / VOXELS - 1) * bound));
    const normals = surface.normals({ ...found, vertices }, field.cross);
    const index = (v) => Math.floor(((v / bound + 1) / 2) * VOXELS), within = (i) => i >= 0 && i < VOXELS;
    const solid = (point) => {
      const [x, y, z] = point.map(index);
      return within(x) && within(y) && within(z) && volume[x + VOXELS * (y + VOXELS * z)] > MOST;
    };
    const colours = vertices.map((vertex, i) => colour(vertex, normals[i], views, solid));
    return { vertices, normals, colours, faces: found.faces };
  }

  return { mesh };
}
