/* A field of latents in space, what a camera sees of it, and the gradient of that: all by hand, without a library.

   The field is a dense lattice of n^3 points over [-bound, bound]^3. Each point holds five numbers h: one for the density,
   four for the latents. Between the points they are interpolated (`LatentGrid` in the library). */
function fieldModule() {
  "use strict";
  const C = 5; /* numbers a point of the lattice */

  /* A ball of noise. `random` is a generator; ball {bound, blob_value, blob_radius} is that of the recipe. */
  function fresh(n, ball, random) {
    const total = n ** 3 * C, padded = Math.ceil(total / 16) * 16; /* noise comes in sixteens */
    const values = random.normal(padded).subarray(0, total).map((v) => 0.1 * v);
    return { n, values, ...ball };
  }

  /* A camera on a sphere that looks at the origin, z up; angles in degrees. The word is the one for its view. */
  function orbit(azimuth, elevation, radius = 2.85, fov = 41) {
    const a = (azimuth * Math.PI) / 180, e = (elevation * Math.PI) / 180;
    const backward = [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), Math.sin(e)];
    const right = [-Math.sin(a), Math.cos(a), 0];
    const up = cross(backward, right);
    const slope = Math.tan((fov * Math.PI) / 360); /* of the ray through the middle of the picture's upper edge */
    const off = Math.abs(((((azimuth + 180) % 360) + 360) % 360) - 180); /* degrees from the front */
    const word = elevation > 60 ? "overhead" : off <= 45 ? "front" : off > 135 ? "back" : "side";
    return { origin: backward.map((v) => v * radius), right, up, backward, slope, word };
  }

  function cross(a, b) {
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  }

  /* Room for side x side rays of so many samples, and for all that the way back needs. */
  function screen(side, samples) {
    const rays = side * side, all = rays * samples;
    return {
      side,
      samples,
      z: new Float32Array(4 * rays), /* latents, one plane after the other, as the U-Net wants them */
      opacity: new Float32Array(rays),
      delta: new Float32Array(rays), /* length of a ray's bins; 0 where it misses the ball */
      corner: new Int32Array(all), /* where in the lattice the cell of a sample begins */
      share: new Float32Array(all * 8), /* how much each corner of the cell counts */
      h: new Float32Array(all * C), /* the interpolated numbers, the ball of (6.1) added to the first */
      weight: new Float32Array(all), /* w_i of (3.13) */
      left: new Float32Array(all), /* transmittance behind each bin */
      wall: [0, 0, 0, 0],
    };
  }

  /* Where the eight corners of a cell stand from its first. */
  function corners(n) {
    return Array.from({ length: 8 }, (_, k) => C * ((k & 1) + n * ((k >> 1) & 1) + n * n * (k >> 2)));
  }

  /* Volume rendering (3.10 by 3.13): fills `view` with latents z = sum_i w_i latents_i + (1 - opacity) wall.
     w_i = T_i (1 - exp(-sigma_i delta)), T_i = prod_{j<i} exp(-sigma_j delta).
     jitter: a number in 0..1 for each sample, its place in its bin (3.12); null takes the middles. */
  function render(field, camera, wall, view, jitter = null) {
    const { n, values, bound, blob_value: value, blob_radius: radius } = field;
    const { side, samples, z, h, share } = view, rays = side * side, offset = corners(n), o = camera.origin;
    view.wall = wall;
    for (let ray = 0; ray < rays; ray++) {
      const d = direction(camera, ray % side, Math.floor(ray / side), side);
      const [near, far] = ball(o, d, bound);
      const delta = (view.delta[ray] = (far - near) / samples), sum = [0, 0, 0, 0];
      let light = 1; /* T_i */
      for (let s = 0; s < samples && delta > 0; s++) {
        const i = ray * samples + s, t = near + (s + (jitter ? jitter[i] : 0.5)) * delta;
        const x = o[0] + t * d[0], y = o[1] + t * d[1], u = o[2] + t * d[2]; /* u is height: z is for latents */

        const gx = place(x, bound, n), gy = place(y, bound, n), gz = place(u, bound, n);
        const ix = Math.min(gx | 0, n - 2), iy = Math.min(gy | 0, n - 2), iz = Math.min(gz | 0, n - 2);
        const fx = gx - ix, fy = gy - iy, fz = gz - iz, first = C * (ix + n * (iy + n * iz));
        let h0 = 0, h1 = 0, h2 = 0, h3 = 0, h4 = 0;
        for (let k = 0; k < 8; k++) {
          const w = (k & 1 ? fx : 1 - fx) * (k & 2 ? fy : 1 - fy) * (k & 4 ? fz : 1 - fz), at = first + offset[k];
          share[8 * i + k] = w;
          h0 += w * values[at];
          h1 += w * values[at + 1];
          h2 += w * values[at + 2];
          h3 += w * values[at + 3];
          h4 += w * values[at + 4];
        }
        h0 += value * (1 - Math.hypot(x, y, u) / radius); /* the ball that a dream starts from (6.1) */
        h[C * i] = h0;
        h[C * i + 1] = h1;
        h[C * i + 2] = h2;
        h[C * i + 3] = h3;
        h[C * i + 4] = h4;

        const clear = Math.exp(-softplus(h0) * delta), w = light * (1 - clear);
        sum[0] += w * h1;
        sum[1] += w * h2;
        sum[2] += w * h3;
        sum[3] += w * h4;
        light *= clear;
        view.corner[i] = first;
        view.weight[i] = w;
        view.left[i] = light;
      }
      view.opacity[ray] = 1 - light;
      for (let c = 0; c < 4; c++) z[c * rays + ray] = sum[c] + light * wall[c];
    }
    return view;
  }

  /* The unit direction of the ray through the middle of a pixel, counted from the top left. */
  function direction(camera, column, row, side) {
    const a = ((2 * (column + 0.5)) / side - 1) * camera.slope, b = (1 - (2 * (row + 0.5)) / side) * camera.slope;
    const d = [0, 1, 2].map((i) => a * camera.right[i] + b * camera.up[i] - camera.backward[i]);
    const length = Math.hypot(...d);
    return d.map((v) => v / length);
  }

  /* Where a ray enters and leaves the ball around the origin; twice the same place if it misses it. */
  function ball(o, d, bound) {
    const b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2];
    const half = Math.sqrt(Math.max(0, b * b - (o[0] ** 2 + o[1] ** 2 + o[2] ** 2) + bound * bound));
    return [Math.max(0, -b - half), Math.max(0, -b + half)];
  }

  const place = (v, bound, n) => Math.min(Math.max(((v / bound + 1) / 2) * (n - 1), 0), n - 1); /* in the lattice */
  const softplus = (v) => (v > 20 ? v : Math.log1p(Math.exp(v)));
  const sigmoid = (v) => 1 / (1 + Math.exp(-v)); /* the slope of softplus */

  /* The way back: the gradient of a loss at the lattice, from its gradients
     at the latents (4 planes) and at the opacities.

     With q_i = gradient at w_i = g . (latents_i - wall) + g_opacity, a denser
     bin paints more of its own, T_{i+1} q_i, and takes light from all behind:
         dL/dsigma_i = delta (T_{i+1} q_i - sum_{j>i} w_j q_j),
     so one sum that is carried from the far end to the near one does it. */
  function backward(field, view, gradientZ, gradientOpacity, out) {
    const { side, samples, h, share, wall } = view;
    const rays = side * side, offset = corners(field.n);
    out.fill(0);
    for (let ray = 0; ray < rays; ray++) {
      const delta = view.delta[ray];
      if (!(delta > 0)) continue; /* it misses the ball */
      const g0 = gradientZ[ray], g1 = gradientZ[rays + ray];
      const g2 = gradientZ[2 * rays + ray], g3 = gradientZ[3 * rays + ray];
      const behind = g0 * wall[0] + g1 * wall[1] + g2 * wall[2] +
        g3 * wall[3] - gradientOpacity[ray];
      let later = 0; /* sum_{j>i} w_j q_j */
      for (let s = samples - 1; s >= 0; s--) {
        const i = ray * samples + s, w = view.weight[i], v = C * i;
        const q = g0 * h[v + 1] + g1 * h[v + 2] + g2 * h[v + 3] +
          g3 * h[v + 4] - behind;
        const slope = delta * (view.left[i] * q - later) * sigmoid(h[v]);
        later += w * q;
        for (let k = 0; k < 8; k++) {
          const a = share[8 * i + k], at = view.corner[i] + offset[k];
          out[at] += a * slope;
          out[at + 1] += a * w * g0;
          out[at + 2] += a * w * g1;
          out[at + 3] += a * w * g2;
          out[at + 4] += a * w * g3;
        }
      }
    }
    return out;
  }

  /* Adam (Kingma and Ba 2015): each number moves by about `rate`, against the mean of its slopes over their size. */
  function adam(values, rate, beta1, beta2, eps) {
    const mean = new Float32Array(values.length), square = new Float32Array(values.length);
    let step = 0;
    return (gradient) => {
      const first = 1 - beta1 ** ++step, second = Math.sqrt(1 - beta2 ** step); /* both memories begin at 0 */
      for (let i = 0; i < values.length; i++) {
        const g = gradient[i];
        mean[i] = beta1 * mean[i] + (1 - beta1) * g;
        square[i] = beta2 * square[i] + (1 - beta2) * g * g;
        values[i] -= (rate / first) * (mean[i] / (Math.sqrt(square[i]) / second + eps));
      }
    };
  }

  return { fresh, orbit, cross, screen, render, backward, adam };
}
