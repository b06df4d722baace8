/* Random numbers as torch draws them on a CPU: the same seed gives the same noise on this page and in Python. */
function randomModule() {
  "use strict";
  const WORDS = 624, AHEAD = 397; /* of the state, 32 bits each */

  /* The Mersenne Twister (Matsumoto and Nishimura 1998): a function that gives whole numbers in 0..2^32 - 1. */
  function twister(seed) {
    const state = new Uint32Array(WORDS);
    let at = WORDS;
    state[0] = seed;
    for (let j = 1; j < WORDS; j++) {
      state[j] = Math.imul(1812433253, state[j - 1] ^ (state[j - 1] >>> 30)) + j;
    }

    function twist() {
      for (let j = 0; j < WORDS; j++) {
        const y = (state[j] & 0x80000000) | (state[(j + 1) % WORDS] & 0x7fffffff);
        state[j] = state[(j + AHEAD) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }

    return () => {
      if (at === WORDS) twist();
      let y = state[at++];
      y ^= y >>> 11;
      y ^= (y << 7) & 0x9d2c5680;
      y ^= (y << 15) & 0xefc60000;
      return (y ^ (y >>> 18)) >>> 0;
    };
  }

  /* What torch.Generator().manual_seed(seed) draws; the seed is a whole number in 0..2^32 - 1. */
  function generator(seed) {
    const word = twister(seed);

    /* torch.rand: in [0, 1), of 24 bits. */
    const uniform = () => (word() & 0xffffff) / 0x1000000;

    /* torch.randint: a whole number in low..high, both included. */
    const integer = (low, high) => low + (word() % (high - low + 1));

    /* torch.randn: Box and Muller's pairs, whose partners stand eight places apart. `count` is a multiple of 16. */
    function normal(count) {
      const out = Float32Array.from({ length: count }, uniform);
      for (let i = 0; i < count; i += 16) {
        for (let j = i; j < i + 8; j++) {
          const radius = Math.sqrt(-2 * Math.log(1 - out[j])), angle = 2 * Math.PI * out[j + 8];
          out[j] = radius * Math.cos(angle);
          out[j + 8] = radius * Math.sin(angle);
        }
      }
      return out;
    }

    return { uniform, integer, normal, between: (low, high) => low + (high - low) * uniform() };
  }

  return { generator };
}
