/* The surface in a block of numbers, by surface nets (Gibson 1998): a vertex in each cell that the surface crosses, four of
   them joined around each edge of the lattice that it crosses. It needs no table, as marching cubes does. */
function surfaceModule() {
  "use strict";

  /* Sets to 0 what lies apart in small islands: less than a share `keep` of the largest. And the block's own walls, so
     that the surface closes. volume: n^3 numbers, x fastest. */
  function tidy(volume, n, level, keep = 0.05) {
    const steps = [1, -1, n, -n, n * n, -n * n], label = new Int32Array(volume.length), islands = [];
    for (let i = 0; i < volume.length; i++) {
      const ends = [i % n, Math.floor(i / n) % n, Math.floor(i / (n * n))];
      if (ends.some((v) => v === 0 || v === n - 1)) volume[i] = 0;
    }
    for (let i = 0; i < volume.length; i++) {
      if (volume[i] <= level || label[i]) continue;
      const island = [i];
      label[i] = islands.length + 1;
      for (let k = 0; k < island.length; k++) {
        for (const step of steps) {
          const at = island[k] + step;
          if (volume[at] > level && !label[at]) label[island[island.push(at) - 1]] = islands.length + 1;
        }
      }
      islands.push(island);
    }
    const largest = islands.reduce((most, island) => Math.max(most, island.length), 0);
    for (const island of islands) if (island.length < keep * largest) for (const i of island) volume[i] = 0;
    return volume;
  }

  /* Where the block of n^3 numbers passes `level`: vertices in units of the lattice, and triangles, counter-clockwise
     seen from where the numbers are lower. */
  function surface(volume, n, level) {
    const steps = [1, n, n * n], corners = [0, 1, n, n + 1, n * n, n * n + 1, n * n + n, n * n + n + 1];
    const vertices = [], faces = [], of = new Int32Array(volume.length).fill(-1); /* of a cell: its vertex */
    const inside = (i) => volume[i] > level;
    for (let z = 0; z < n - 1; z++) {
      for (let y = 0; y < n - 1; y++) {
        for (let x = 0; x < n - 1; x++) {
          const first = x + n * (y + n * z), solid = corners.filter((c) => inside(first + c)).length;
          if (solid === 0 || solid === 8) continue;
          const sum = [0, 0, 0];
          let crossed = 0;
          for (let k = 0; k < 8; k++) {
            for (let axis = 0; axis < 3; axis++) {
              if (k & (1 << axis)) continue; /* an edge of the cell runs from corner k along the axis */
              const a = volume[first + corners[k]], b = volume[first + corners[k] + steps[axis]];
              if (a > level === b > level) continue;
              for (let i = 0; i < 3; i++) sum[i] += i === axis ? (level - a) / (b - a) : (k >> i) & 1;
              crossed += 1;
            }
          }
          of[first] = vertices.push([x, y, z].map((v, i) => v + sum[i] / crossed)) - 1;
        }
      }
    }
    for (let i = n * n + n + 1; i < volume.length - n * n; i++) {
      for (let axis = 0; axis < 3; axis++) {
        if (inside(i) === inside(i + steps[axis])) continue;
        const u = steps[(axis + 1) % 3], v = steps[(axis + 2) % 3];
        const ring = [i, i - u, i - u - v, i - v].map((cell) => of[cell]);
        const [a, b, c, d] = inside(i) ? ring : ring.reverse();
        faces.push([a, b, c], [a, c, d]);
      }
    }
    return { vertices, faces };
  }

  /* A normal of length 1 at each vertex: the mean of those of its triangles, large ones counting more. */
  function normals({ vertices, faces }, cross) {
    const sums = vertices.map(() => [0, 0, 0]);
    for (const face of faces) {
      const [a, b, c] = face.map((i) => vertices[i]);
      const normal = cross(b.map((v, i) => v - a[i]), c.map((v, i) => v - a[i]));
      for (const corner of face) normal.forEach((v, i) => (sums[corner][i] += v));
    }
    return sums.map((sum) => sum.map((v) => v / (Math.hypot(...sum) || 1)));
  }

  return { tidy, surface, normals };
}
